//! Who takes part, and the command lines of each.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

use crate::bundle::Bundle;
use crate::leg::{self, Leg, PROOF};
use crate::needs;
use crate::place::Place;
use crate::room::Room;
use crate::words::words;

/// A runtime at a place: what makes one row.
struct Runtime {
    name: String,
    program: String,
    place: Place,
}

/// Everybody who takes part.
pub(crate) struct Set<'a> {
    room: &'a Room,
    host: Place,
    /// Ours on the host comes first: the others are compared with it.
    runtimes: Vec<Runtime>,
    state: State,
}

impl<'a> Set<'a> {
    pub(crate) fn new(room: &'a Room) -> Self {
        let host = Place::host();
        let mut set = Set {
            room,
            host: host.clone(),
            runtimes: Vec::new(),
            state: State::new(room.name()),
        };
        set.add_ours(&host);
        set.add("runc", &host);
        match Place::cgroup2_only() {
            Ok(place) => {
                set.add_ours(&place);
                set.add("crun", &place);
                set.add("runc", &place);
            }
            Err(why) => eprintln!("no cgroup2 to mount, so without crun: {why}"),
        }
        set
    }

    fn add_ours(&mut self, place: &Place) {
        let program = self.room.runtime();
        let name = match std::env::var("RCON_TEST_RUNTIME") {
            Ok(other) => format!("rcon ({other} stands in)"),
            Err(_) => "rcon".to_owned(),
        };
        self.push(name, program, place);
    }

    fn add(&mut self, name: &str, place: &Place) {
        match needs::find(name) {
            Some(program) => self.push(name.to_owned(), program.display().to_string(), place),
            None => eprintln!("`{name}` is not installed"),
        }
    }

    fn push(&mut self, name: String, program: String, place: &Place) {
        self.runtimes.push(Runtime {
            name,
            program,
            place: place.clone(),
        });
    }

    /// `run` by every runtime, and what else makes something like a container.
    pub(crate) fn run(&self, bundle: &Bundle) -> Vec<Leg> {
        let legs = self.runtimes.iter().map(|runtime| {
            let container = self.container(runtime, bundle, &["/bin/true"]);
            let proof = self.container(runtime, bundle, &PROOF).run("");
            runtime
                .leg(&container, &[container.run("")])
                .proved_by(&proof)
        });
        legs.chain(self.floors()).collect()
    }

    /// Three commands for each container.
    pub(crate) fn lifecycle(&self, bundle: &Bundle) -> Vec<Leg> {
        let legs = self.runtimes.iter().map(|runtime| {
            let container = self.container(runtime, bundle, &["/bin/true"]);
            let Container { start, folder, id } = &container;
            let commands = [
                format!("{start} create --bundle {folder} {id}"),
                format!("{start} start {id}"),
                format!("{start} delete --force {id}"),
            ];
            let proof = self.container(runtime, bundle, &PROOF).run("");
            runtime.leg(&container, &commands).proved_by(&proof)
        });
        legs.collect()
    }

    /// `exec` by every runtime, each into a container that it started itself.
    pub(crate) fn exec(&self, bundle: &Bundle) -> Vec<Leg> {
        let mut legs = Vec::new();
        let mut pid = None;
        for runtime in &self.runtimes {
            let container = self.container(runtime, bundle, &["/bin/sleep", "100000"]);
            let Container { start, id, .. } = &container;
            let exec = |program: &str| format!("{start} exec {id} {program}");
            let leg = runtime
                .leg(&container, &[exec("/bin/true")])
                .prepared_by(&container.run("--detach"))
                .proved_by(&exec(&PROOF.join(" ")));
            legs.push(leg);
            pid = pid.or_else(|| runtime.pid(&container));
        }
        legs.extend(pid.map(|pid| {
            let line = format!("/usr/bin/nsenter --target {pid} --all /bin/true");
            Leg::new("nsenter", "namespaces only", &self.host, &[line])
        }));
        legs
    }

    /// A bundle and a name that only this row uses.
    fn container(&self, runtime: &Runtime, bundle: &Bundle, program: &[&str]) -> Container {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let id = format!("{}-{count}", self.room.name());
        let cgroup = format!("/{}/{id}", self.room.name());
        let bundle = runtime.place.reduced(bundle.clone());
        bundle.write(&self.room.path(&id), &cgroup, program);
        let state = self.state.0.join(&id);
        Container {
            start: format!("{} --root {}", runtime.program, state.display()),
            folder: self.room.text(&id),
            id,
        }
    }

    /// What a start costs without a runtime: with fewer and fewer walls.
    fn floors(&self) -> [Leg; 3] {
        let root = self.room.text("rootfs");
        let bwrap = format!(
            "/usr/bin/bwrap --unshare-all --ro-bind {root} / --proc /proc --dev /dev /bin/true"
        );
        let unshare = format!(
            "/usr/bin/unshare --mount --uts --ipc --net --pid --cgroup --fork \
             --mount-proc --root {root} /bin/true"
        );
        let alone = format!("{root}/bin/true");
        let floor = |name, had, line: String| {
            let proof = line.replace("/bin/true", &PROOF.join(" "));
            Leg::new(name, had, &self.host, &[line]).proved_by(&proof)
        };
        [
            floor(
                "bwrap",
                "namespaces, /proc, /dev; no cgroup, no masks",
                bwrap,
            ),
            floor("unshare", "namespaces and /proc", unshare),
            floor("the program alone", "nothing", alone),
        ]
    }
}

impl Runtime {
    fn leg(&self, container: &Container, commands: &[String]) -> Leg {
        let Container { start, id, .. } = container;
        Leg::new(&self.name, self.place.name, &self.place, commands)
            .at_end(&format!("{start} delete --force {id}"))
    }

    /// The first process of a running container.
    fn pid(&self, container: &Container) -> Option<u64> {
        let argv = words(&format!("{} state {}", container.start, container.id));
        let state = self.place.run(move || leg::outcome(&argv)).stdout;
        let state: Value = serde_json::from_str(&state).ok()?;
        state["pid"].as_u64()
    }
}

/// How the commands about one container are written.
struct Container {
    /// The runtime and the options before the command's name.
    start: String,
    folder: String,
    id: String,
}

impl Container {
    fn run(&self, options: &str) -> String {
        let Container { start, folder, id } = self;
        format!("{start} run {options} --bundle {folder} {id}")
    }
}

/// Where the runtimes keep their state: in memory, as in /run of most hosts.
struct State(PathBuf);

impl State {
    fn new(name: &str) -> Self {
        let path = Path::new("/dev/shm").join(name);
        fs::create_dir(&path).expect("make the state directory");
        State(path)
    }
}

impl Drop for State {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}
