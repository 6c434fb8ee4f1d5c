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
    /// Put a page for each command there, for `man -l DIR/rcon-run.1`, instead of showing the first
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// In bash, where something is to be named the names of what there is complete
/// what clap knows. Functions of bash-completion are not needed; so a word with
/// a colon, which bash takes for three, is put together here.
const NAMES_IN_BASH: &str = r#"
_rcon_names() {
    local program="${COMP_WORDS[0]}"
    case "$1" in
        containers) "$program" ps -a --format '{{.Names}}' ;;
        images) "$program" images --format '{{.Repository}}:{{.Tag}}' ;;
        networks) "$program" network ls --format '{{.Name}}' ;;
        volumes) "$program" volume ls --format '{{.Name}}' ;;
    esac 2>/dev/null
}
_rcon_with_names() {
    _rcon "$@"
    local cur="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}"
    local word group="" command="" kind="" names typed
    typed="$cur"
    if [[ -n "$COMP_LINE" ]]; then
        typed="${COMP_LINE:0:COMP_POINT}"
        typed="${typed##* }"
    fi
    [[ "$before" == "=" ]] && before="${COMP_WORDS[COMP_CWORD-2]}"
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case "$word" in
            -*) ;;
            container|image|network|volume)
                [[ -n "$group" ]] && { command="$word"; break; }
                group="$word" ;;
            *) command="$word"; break ;;
        esac
    done
    [[ "$cur" == -* ]] && return
    case "$before" in
        --network|--net) kind=networks ;;
        *) case "$group/$command" in
            image/rm|image/inspect|image/history|image/tag|image/push|image/save) kind=images ;;
            /rmi|/history|/tag|/push|/save|*/run|*/create) kind=images ;;
            network/rm|network/inspect|network/connect|network/disconnect) kind=networks ;;
            volume/rm|volume/inspect) kind=volumes ;;
            /*|container/*) case "$command" in
                attach|commit|cp|diff|exec|export|inspect|kill|logs|pause|port|rename|restart|rm|start|stats|stop|top|unpause|update|wait)
                    kind=containers ;;
            esac ;;
        esac ;;
    esac
    [[ "$group/$kind" == network/images || "$group/$kind" == volume/images ]] && return
    [[ -z "$kind" ]] && return
    names=$(_rcon_names "$kind")
    # Behind the image comes what is executed in it.
    if [[ "$kind" == images && "$command" == @(run|create) ]]; then
        for word in ${COMP_LINE:0:COMP_POINT-${#typed}}; do
            [[ $'\n'"$names"$'\n' == *$'\n'"$word"$'\n'* ]] && { COMPREPLY=(); return; }
        done
    fi
    COMPREPLY=($(compgen -W "$names" -- "${typed#--net*=}"))
    if [[ "$typed" == *:* && "$COMP_WORDBREAKS" == *:* ]]; then
        local whole="${typed%"${typed##*:}"}"
        COMPREPLY=("${COMPREPLY[@]#"$whole"}")
    fi
}
complete -F _rcon_with_names -o bashdefault -o default rcon
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
