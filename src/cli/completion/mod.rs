//! `completion` and `man`: what shells and readers are told, from the same
//! definitions as the command line itself.
//!
//! Commands and options are in the script. Names of containers, images,
//! networks and volumes are asked for while a line is typed ([`names`]), of
//! whatever is [`wanted`] there.

mod names;
mod wanted;

pub use names::{Complete, complete};

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::ArgAction;
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

/// Names come first, and what clap knows where there are none. Bash takes a word
/// apart at each `:` and `=`, and wants only what follows the last of them.
/// Functions of bash-completion are not needed.
const NAMES_IN_BASH: &str = r#"
_rcon_names() {
    local -a words
    local word full front=""
    read -ra words <<< "${COMP_LINE:0:COMP_POINT}"
    [[ "${COMP_LINE:0:COMP_POINT}" == *[[:space:]] ]] && words+=("")
    full="${words[-1]}"
    [[ "$COMP_WORDBREAKS" == *:* ]] && front="${full%"${full##*[:=]}"}"
    COMPREPLY=()
    while IFS= read -r word; do
        COMPREPLY+=("${word#"$front"}")
    done < <("${COMP_WORDS[0]}" __complete -- "${words[@]:1}" 2>/dev/null)
}
_rcon_with_names() {
    _rcon_names
    (( ${#COMPREPLY[@]} )) || _rcon "$@"
}
complete -F _rcon_with_names -o bashdefault -o default rcon
"#;

/// The same for zsh, in the place of what clap has made, which then has another
/// name: the file is called `_rcon` where zsh finds it by itself.
const NAMES_IN_ZSH: &str = r#"_rcon() {
    local -a names
    names=("${(@f)$("${words[1]}" __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    names=("${(@)names:#}")
    if (( ${#names} )); then
        compadd -- "${names[@]}"
        return
    fi
    _rcon_words "$@"
}

"#;
const MADE_FOR_ZSH: &str = "\n_rcon() {";
const END_IN_ZSH: &str = "if [ \"$funcstack[1]\" = \"_rcon\" ]; then";

/// The same for fish.
const NAMES_IN_FISH: &str = r#"
function __rcon_names
    set -l words (commandline -opc)
    set -l program $words[1]
    set -e words[1]
    set -l current (commandline -ct)
    $program __complete -- $words "$current" 2>/dev/null
end
function __rcon_has_names
    test (count (__rcon_names)) -gt 0
end
# To fish, what stands behind = is a word of its own.
function __rcon_values
    __rcon_names | string replace -r -- '^--[^=]*=' ''
end
complete -c rcon -n __rcon_has_names -f -a '(__rcon_names)'
for option in network net volumes-from
    complete -c rcon -n __rcon_has_names -l $option -x -a '(__rcon_values)'
end
"#;

fn with_names(shell: Shell, script: &str) -> Result<String> {
    if shell != Shell::Zsh {
        let names = match shell {
            Shell::Bash => NAMES_IN_BASH,
            _ => NAMES_IN_FISH,
        };
        return Ok(format!("{script}{names}"));
    }
    let whole = script.contains(MADE_FOR_ZSH) && script.contains(END_IN_ZSH);
    if !whole {
        return Err(Error::internal("the script for zsh has another form"));
    }
    let renamed = script.replacen(MADE_FOR_ZSH, "\n_rcon_words() {", 1);
    Ok(renamed.replacen(END_IN_ZSH, &format!("{NAMES_IN_ZSH}{END_IN_ZSH}"), 1))
}

/// A switch that can be given as `--rm=false`, too, takes no word behind it; a
/// script would offer `true` and `false` there, and no image.
fn with_plain_switches(command: clap::Command) -> clap::Command {
    let plain = |arg: clap::Arg| {
        if arg.is_require_equals_set() {
            return arg.action(ArgAction::SetTrue).num_args(0);
        }
        arg
    };
    command.mut_args(plain).mut_subcommands(with_plain_switches)
}

/// `completion`.
pub fn completion(args: &Completion, mut command: clap::Command) -> Result<ExitCode> {
    let shell: Shell = args.shell.parse().map_err(Error::user)?;
    let mut script = Vec::new();
    command.build();
    let mut command = with_plain_switches(command);
    clap_complete::generate(shell, &mut command, "rcon", &mut script);
    let script = String::from_utf8(script).map_err(|e| Error::internal(e.to_string()))?;
    listing::print(&with_names(shell, &script)?)?;
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
