//! What is done to a store while it is killed: every command that changes
//! something, each in a lane of its own with a container `t`, an image `i`, a
//! network `n` and a volume `v`, so that several can be killed at a time.

use crate::chance::Chance;
use crate::common::Running;
use crate::place::{Place, SLEEP};
use std::fs;

/// How a lane must be for a deed to have something to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    /// The container runs.
    Up,
    /// The container is there and does not run.
    Down,
    /// The same, of one that nothing has been done to.
    FreshUp,
    FreshDown,
    /// There is no such container.
    Absent,
    /// The image is there.
    Image,
    /// What is in the archive is not in the store.
    Unloaded,
    /// It is.
    Loaded,
    /// There are neither network nor volume of its own.
    Bare,
    /// There are, and no container is in the way.
    Idle,
}

/// One command; `@` is the lane's number in it.
#[derive(Debug)]
pub struct Deed {
    needs: Needs,
    line: &'static str,
}

const fn deed(needs: Needs, line: &'static str) -> Deed {
    Deed { needs, line }
}

/// Every command that changes something.
pub const DEEDS: &[Deed] = &[
    deed(Needs::Absent, "run -d --name t@ MINE base sh -c SLEEP"),
    deed(Needs::Absent, "run --rm --name t@ MINE base true"),
    deed(Needs::Absent, "create --name t@ MINE base sh -c SLEEP"),
    deed(Needs::Down, "start t@"),
    deed(Needs::Down, "start -a t@"),
    deed(Needs::Down, "rm t@"),
    deed(Needs::Down, "rename t@ u@"),
    deed(Needs::Down, "container prune -f --filter label=lane=@"),
    deed(Needs::Up, "stop t@"),
    deed(Needs::Up, "stop -t 0 t@"),
    deed(Needs::Up, "restart t@"),
    deed(Needs::Up, "restart -t 0 t@"),
    deed(Needs::Up, "kill t@"),
    deed(Needs::Up, "rm -f t@"),
    deed(Needs::Up, "rm -fv t@"),
    deed(Needs::Up, "rename t@ u@"),
    deed(Needs::Up, "update --restart on-failure:3 -m 300m t@"),
    deed(Needs::Up, "pause t@"),
    deed(Needs::Up, "exec t@ sh -c WRITE"),
    deed(Needs::Up, "exec -d t@ sh -c WRITE"),
    deed(Needs::Up, "cp TREE t@:/root/tree"),
    deed(Needs::Up, "cp t@:/bin OUT@"),
    deed(Needs::Down, "cp TREE t@:/root/tree"),
    deed(Needs::Up, "commit t@ i@:new"),
    deed(Needs::Down, "commit t@ i@:new"),
    deed(Needs::Up, "export -o OUT@.tar t@"),
    deed(Needs::FreshUp, "network connect --alias a@ keepers t@"),
    deed(Needs::Up, "network disconnect n@ t@"),
    deed(Needs::FreshDown, "network connect keepers t@"),
    deed(Needs::Image, "tag i@ i@:more"),
    deed(Needs::Image, "rmi i@"),
    deed(Needs::Image, "rmi -f i@"),
    deed(Needs::Image, "save -o OUT@.image i@ base"),
    deed(Needs::Unloaded, "load -i ARCHIVE"),
    deed(Needs::Loaded, "rmi loaded"),
    deed(Needs::Image, "import ROOT i@:other"),
    deed(Needs::Image, "image prune -f"),
    deed(Needs::Image, "build -q -t i@:built CONTEXT"),
    deed(Needs::Bare, "network create n@"),
    deed(Needs::Bare, "volume create v@"),
    deed(
        Needs::Bare,
        "volume create --opt type=tmpfs --opt device=tmpfs w@",
    ),
    deed(Needs::Idle, "network rm n@"),
    deed(Needs::Idle, "network prune -f --filter label=lane=@"),
    deed(Needs::Idle, "volume rm v@"),
    deed(Needs::Idle, "volume prune -af --filter label=lane=@"),
    deed(Needs::Idle, "builder prune -af"),
    deed(Needs::Down, "system prune -f --filter label=lane=@"),
];

/// A container of a lane has all that can be left of one.
const MINE: &[&str] = &[
    "--label",
    "lane=@",
    "--network",
    "n@",
    "-v",
    "v@:/data",
    "-v",
    "/unnamed",
    "-p",
    "127.0.0.1::80",
    "--ulimit",
    "nofile=100",
];

impl Deed {
    /// Its words in a lane.
    pub fn words(&self, place: &Place, lane: u32) -> Vec<String> {
        let fill = |word: &str| word.replace('@', &lane.to_string());
        let mut words = Vec::new();
        for word in self.line.split(' ') {
            match word {
                "MINE" => words.extend(MINE.iter().map(|w| fill(w))),
                "SLEEP" => words.push(SLEEP.to_owned()),
                "WRITE" => words.push("echo x >> /data/x; echo y >> /root/y".to_owned()),
                "TREE" => words.push(place.text("image/rootfs/bin")),
                "ROOT" => words.push(place.text("image/rootfs")),
                "CONTEXT" => words.push(place.text("context")),
                "ARCHIVE" => words.push(place.text("archive.tar")),
                other => words.push(fill(&other.replace("OUT", &place.text("out")))),
            }
        }
        words
    }

    /// Brings a lane to where the deed has something to do.
    #[track_caller]
    pub fn prepare(&self, place: &Place, lane: u32) {
        let name = |what: &str| format!("{what}{lane}");
        let (t, other, image) = (name("t"), name("u"), name("i"));
        let (network, volume) = (name("n"), name("v"));
        let have_both = || {
            let label = format!("lane={lane}");
            place.rcon(&["network", "create", "--label", &label, &network]);
            place.ok(&["volume", "create", "--label", &label, &volume]);
        };
        match self.needs {
            Needs::Absent | Needs::Idle => {
                place.rcon(&["rm", "-fv", &t, &other]);
                have_both();
            }
            Needs::FreshUp | Needs::FreshDown => {
                place.rcon(&["rm", "-fv", &t, &other]);
                have_both();
                container(place, lane, &t, self.needs == Needs::FreshUp);
            }
            Needs::Up | Needs::Down => {
                place.rcon(&["rm", "-f", &other]);
                have_both();
                container(place, lane, &t, self.needs == Needs::Up);
            }
            Needs::Image => {
                let further = [":other", ":more"].map(|tag| format!("{image}{tag}"));
                place.rcon(&["rmi", "-f", &further[0], &further[1]]);
                place.ok(&["tag", "base", &image]);
            }
            Needs::Unloaded => drop(place.rcon(&["rmi", "-f", "loaded"])),
            Needs::Loaded => drop(place.rcon(&["load", "-qi", &place.text("archive.tar")])),
            Needs::Bare => {
                place.rcon(&["rm", "-fv", &t, &other]);
                place.rcon(&["network", "rm", &network]);
                place.rcon(&["volume", "rm", &volume, &name("w")]);
            }
        }
    }
}

/// Three of them, each in its lane, and the commands that are at work.
#[track_caller]
pub fn three_at_work(
    place: &Place,
    chance: &mut Chance,
) -> (Vec<(u32, &'static Deed)>, Vec<Running>) {
    let deeds: Vec<(u32, &Deed)> = (0..3).map(|lane| (lane, chance.of(DEEDS))).collect();
    for (lane, deed) in &deeds {
        deed.prepare(place, *lane);
    }
    let words = deeds.iter().map(|(lane, deed)| deed.words(place, *lane));
    let running = words.map(|words| {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        place.bed.call(&words).spawn()
    });
    let running = running.collect();
    (deeds, running)
}

/// A container that is as it is wanted; a new one where there is none, or where
/// there is one that cannot be brought there.
fn container(place: &Place, lane: u32, name: &str, up: bool) {
    let status = place.rcon(&["inspect", "-f", "{{.State.Status}}", name]);
    let right = match status.text() {
        "running" => up || place.rcon(&["stop", "-t", "0", name]).status.success(),
        "exited" | "created" => !up || place.rcon(&["start", name]).status.success(),
        _ => false,
    };
    if right {
        return;
    }
    place.rcon(&["rm", "-fv", name]);
    let mine: Vec<String> = MINE
        .iter()
        .map(|w| w.replace('@', &lane.to_string()))
        .collect();
    let mine: Vec<&str> = mine.iter().map(String::as_str).collect();
    if up {
        place.sleeper(name, &mine);
    } else {
        let own = ["create", "--name", name];
        place.ok(&[&own[..], &mine, &["base", "sh", "-c", SLEEP]].concat());
    }
}

/// Files that deeds work with.
pub fn furnish(place: &Place) {
    fs::create_dir(place.bed.path("context")).expect("our directory");
    let file = "FROM base\nCOPY Dockerfile /a\nRUN cp /a /b\nLABEL made=here\n";
    fs::write(place.bed.path("context/Dockerfile"), file).expect("our directory");
    let bytes: Vec<u8> = (0..1_000_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let (file, root) = (place.bed.rootfs("noise"), place.text("image/rootfs"));
    fs::write(&file, bytes).expect("our root file system");
    place.ok(&["import", &root, "loaded"]);
    fs::remove_file(file).expect("just made");
    place.ok(&["save", "-o", &place.text("archive.tar"), "loaded"]);
    place.ok(&["rmi", "loaded"]);
}
