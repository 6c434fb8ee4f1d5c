use super::*;

struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> (Self, Store) {
        let dir = std::env::temp_dir().join(format!("rcon-test-ev-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        let store = Store::open(Some(dir.clone()), Some(dir.join("run"))).unwrap();
        store.lay_out().unwrap();
        (Self(dir), store)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn note(store: &Store, action: &str) {
    record(store, "container", action, "abc", &BTreeMap::new());
}

fn actions(reader: &mut Reader) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(event) = reader.next_event().unwrap() {
        all.push(event.action);
    }
    all
}

#[test]
fn what_is_recorded_is_read() {
    let (place, store) = Place::new("read");
    // As after a reboot.
    fs::remove_dir_all(place.0.join("run")).unwrap();
    let mut follower = Reader::from_the_end(&store).unwrap();
    assert_eq!(actions(&mut follower), [""; 0]);
    note(&store, "create");
    note(&store, "start");
    assert_eq!(actions(&mut follower), ["create", "start"]);
    let mut late = Reader::from_the_end(&store).unwrap();
    note(&store, "die");
    assert_eq!(actions(&mut follower), ["die"]);
    assert_eq!(actions(&mut late), ["die"]);
    let mut all = Reader::from_the_beginning(&store);
    assert_eq!(actions(&mut all), ["create", "start", "die"]);
}

#[test]
fn a_full_log_gives_way_and_nobody_misses_anything() {
    let (_place, store) = Place::new("rotate");
    let mut follower = Reader::from_the_end(&store).unwrap();
    let mut total = 0;
    let filler = BTreeMap::from([("filler".to_owned(), "x".repeat(3000))]);
    for round in 0..3000 {
        record(&store, "container", &round.to_string(), "abc", &filler);
        if round % 100 == 0 {
            total += actions(&mut follower).len();
        }
    }
    total += actions(&mut follower).len();
    assert_eq!(total, 3000);
    let newest = fs::metadata(path(&store)).unwrap().len();
    let before = fs::metadata(older(&path(&store))).unwrap().len();
    assert!(newest <= LARGEST && before <= LARGEST + LONGEST as u64);
    let kept = actions(&mut Reader::from_the_beginning(&store));
    assert_eq!(kept.last().unwrap(), "2999");
    assert!(kept.len() < 3000, "the oldest are forgotten");
}

#[test]
fn many_who_write_at_once_do_not_get_into_each_other() {
    let (_place, store) = Place::new("many");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = &store;
            scope.spawn(move || {
                for n in 0..500 {
                    note(store, &format!("{thread}-{n}"));
                }
            });
        }
    });
    let mut all = actions(&mut Reader::from_the_beginning(&store));
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 2000);
}

#[test]
fn a_line_is_never_longer_than_the_kernel_keeps_whole() {
    let event = |label: &str| Event {
        time: Timestamp::now(),
        kind: "container".to_owned(),
        action: "start".to_owned(),
        id: "a".repeat(64),
        attributes: BTreeMap::from([
            ("name".to_owned(), "web".to_owned()),
            ("label".to_owned(), label.to_owned()),
        ]),
    };
    assert!(line(event("small")).ends_with(b"\n"));
    let long = line(event(&"\x01".repeat(4000)));
    assert!(long.len() <= LONGEST);
    let back: Event = serde_json::from_slice(&long).unwrap();
    assert_eq!(back.attributes.len(), 1);
    assert_eq!(back.attributes["name"], "web");
}

#[test]
fn spoilt_lines_are_passed_over() {
    let (_place, store) = Place::new("spoilt");
    note(&store, "create");
    append(&path(&store), b"{nonsense\n\xff\n").unwrap();
    note(&store, "start");
    let mut reader = Reader::from_the_beginning(&store);
    assert_eq!(actions(&mut reader), ["create", "start"]);
}
