//! `completion` and `man`: what shells and readers are told, from the same
//! definitions as the command line itself.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap_complete::Shell;

use super::listing;
use crate::error::{Context, Error, Result};

#[derive(Debug, clap::Args)]
pub struct Completion {
    /// Which
    #[arg(value_parser = ["bash", "fish", "zsh"])]
    shell: String,
}

#[derive(Debug, clap::Args)]
pub struct Man {
    /// Put a page for each command there, instead of showing the first
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// In bash, where a container is to be named the names of those there are
/// complete what clap knows. Functions of bash-completion are not needed.
const NAMES_IN_BASH: &str = r#"
_rcon_with_containers() {
    _rcon "$@"
    local word command="" cur="${COMP_WORDS[COMP_CWORD]}"
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case "$word" in
            -*|container) ;;
            *) command="$word"; break ;;
        esac
    done
    [[ "$cur" == -* ]] && return
    case "$command" in
        attach|commit|cp|diff|exec|export|inspect|kill|logs|pause|port|rename|restart|rm|start|stats|stop|top|unpause|update|wait)
            local names
            names=$("${COMP_WORDS[0]}" ps -a --format '{{.Names}}' 2>/dev/null)
            COMPREPLY=($(compgen -W "$names" -- "$cur"))
            ;;
    esac
}
complete -F _rcon_with_containers -o bashdefault -o default rcon
"#;

/// `completion`.
pub fn completion(args: &Completion, mut command: clap::Command) -> Result<ExitCode> {
    let shell: Shell = args.shell.parse().map_err(Error::user)?;
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "rcon", &mut script);
    let mut script = String::from_utf8(script).map_err(|e| Error::internal(e.to_string()))?;
    if shell == Shell::Bash {
        script.push_str(NAMES_IN_BASH);
    }
    listing::print(&script)?;
    Ok(ExitCode::SUCCESS)
}

/// `man`.
pub fn man(args: &Man, command: clap::Command) -> Result<ExitCode> {
    if let Some(dir) = &args.dir {
        let what = || format!("cannot write the manual to {}", dir.display());
        fs::create_dir_all(dir).context(what)?;
        clap_mangen::generate_to(command, dir).context(what)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command)
        .render(&mut page)
        .context(|| "cannot write the manual")?;
    listing::print(&String::from_utf8_lossy(&page))?;
    Ok(ExitCode::SUCCESS)
}
