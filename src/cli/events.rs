//! `events`: what happens to containers, as it happens.

use std::io;
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::{Value, json};

use super::listing;
use crate::container::Timestamp;
use crate::error::{Context, Error, Result};
use crate::events::{Event, Reader};
use crate::format::filter::Filters;
use crate::format::template::Options;
use crate::format::units::time;
use crate::format::{Format, escaped, json_line};
use crate::store::Store;
use crate::sys::clock;

#[derive(Debug, clap::Args)]
pub struct EventsOf {
    /// Show only those that fit, as event=die or container=web
    #[arg(short, long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// How to show them: json, or a template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Show what has happened since then, too: a time, or as 10m for so long ago
    #[arg(long, value_name = "TIME", value_parser = listing::moment)]
    since: Option<Timestamp>,
    /// Only until then
    #[arg(long, value_name = "TIME", value_parser = listing::moment)]
    until: Option<Timestamp>,
}

const KNOWN: &[&str] = &["container", "event", "id", "image", "label", "name", "type"];

/// Between two looks.
const PAUSE: u16 = 200;

/// `events`.
pub fn events(store: &Store, args: &EventsOf) -> Result<ExitCode> {
    let format = Format::parse(args.format.as_deref().unwrap_or_default())?;
    if let Format::Table(_) = format {
        return Err(Error::user("events has no table").hint("leave out \"table\""));
    }
    let filters = Filters::parse(&args.filter, KNOWN)?;
    let (since, until) = (args.since, args.until);
    let what = || "cannot read the events";
    let mut reader = match since.or(until) {
        Some(_) => Reader::from_the_beginning(store),
        None => Reader::from_the_end(store).context(what)?,
    };
    let from = since.unwrap_or(Timestamp {
        seconds: 0,
        nanos: 0,
    });
    loop {
        // First whether more may come, then what has come.
        let over = until.is_some_and(|until| until < Timestamp::now());
        while let Some(event) = reader.next_event().context(what)? {
            let in_time = event.time >= from && until.is_none_or(|until| event.time <= until);
            if in_time && matches(&filters, &event) {
                listing::print(&shown(&format, &event)?)?;
            }
        }
        if over || is_unread() {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

/// Waits a moment; true when nobody reads any more.
fn is_unread() -> bool {
    let stdout = io::stdout();
    let mut fds = [PollFd::new(stdout.as_fd(), PollFlags::empty())];
    let woken = poll(&mut fds, PollTimeout::from(PAUSE));
    if woken == Err(nix::errno::Errno::EINTR) {
        std::thread::sleep(Duration::from_millis(1));
    }
    fds[0].any() == Some(true)
}

/// As Docker counts: `event=exec_create` is any of them, whatever was run.
fn matches(filters: &Filters, event: &Event) -> bool {
    let kind = event.action.split(':').next().unwrap_or_default();
    let attribute = |name: &str| event.attributes.get(name).map_or("", String::as_str);
    let named = |wanted: &str| {
        attribute("name") == wanted || !wanted.is_empty() && event.id.starts_with(wanted)
    };
    filters.any("event", |e| e == event.action || e == kind)
        && filters.any("type", |t| t == event.kind)
        && filters.any("container", |c| event.kind == "container" && named(c))
        && filters.any("id", |id| event.id.starts_with(id))
        && filters.any("name", |name| attribute("name") == name)
        && filters.any("image", |image| attribute("image") == image)
        && filters.labels(&event.attributes)
}

/// Which attributes there are depends on the event.
const OPTIONS: Options = Options {
    maps: &["/Actor/Attributes"],
    ..Options::STRICT
};

fn shown(format: &Format, event: &Event) -> Result<String> {
    match format {
        Format::Json => Ok(json_line(&docker_json(event)) + "\n"),
        Format::Template(template) => Ok(template.render_with(&fields(event), OPTIONS)? + "\n"),
        _ => Ok(line(event)),
    }
}

/// `2024-05-06T09:08:09.5+02:00 container start 0123… (image=…, name=web)`.
fn line(event: &Event) -> String {
    let (offset, _) = clock::zone_at(event.time.seconds);
    let time = time::rfc3339_at(event.time, offset);
    let more = event.attributes.iter().map(|(k, v)| format!("{k}={v}"));
    let more = more.collect::<Vec<_>>().join(", ");
    let text = format!("{} {} {}", event.kind, event.action, event.id);
    let more = if more.is_empty() {
        more
    } else {
        format!(" ({more})")
    };
    format!("{time} {}{}\n", escaped(&text), escaped(&more))
}

/// As Docker's socket tells it.
fn docker_json(event: &Event) -> Value {
    let nanos = event.time.seconds * 1_000_000_000 + i64::from(event.time.nanos);
    json!({
        "status": event.action,
        "id": event.id,
        "from": event.attributes.get("image").cloned().unwrap_or_default(),
        "Type": event.kind,
        "Action": event.action,
        "Actor": {"ID": event.id, "Attributes": event.attributes},
        "scope": "local",
        "time": event.time.seconds,
        "timeNano": nanos,
    })
}

/// The same under the names that templates use.
fn fields(event: &Event) -> Value {
    let mut all = docker_json(event);
    for (name, field) in [
        ("status", "Status"),
        ("id", "ID"),
        ("from", "From"),
        ("scope", "Scope"),
        ("time", "Time"),
        ("timeNano", "TimeNano"),
    ] {
        all[field] = all[name].clone();
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn of(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        owned.collect()
    }

    fn event(action: &str) -> Event {
        Event {
            time: Timestamp {
                seconds: 1_700_000_000,
                nanos: 500_000_000,
            },
            kind: "container".to_owned(),
            action: action.to_owned(),
            id: "0123456789ab".to_owned(),
            attributes: of(&[("name", "web"), ("image", "alpine"), ("a", "1")]),
        }
    }

    #[test]
    fn each_filter_lets_through_what_it_says() {
        for (filter, action, want) in [
            ("event=die", "die", true),
            ("event=die", "start", false),
            ("event=exec_create", "exec_create: sh -c x", true),
            (
                "event=health_status: healthy",
                "health_status: healthy",
                true,
            ),
            ("event=health_status", "health_status: healthy", true),
            ("type=container", "die", true),
            ("type=image", "die", false),
            ("container=web", "die", true),
            ("container=0123", "die", true),
            ("container=we", "die", false),
            ("id=0123", "die", true),
            ("name=web", "die", true),
            ("image=alpine", "die", true),
            ("image=other", "die", false),
            ("label=a=1", "die", true),
            ("label=b", "die", false),
        ] {
            let filters = Filters::parse(&[filter], KNOWN).unwrap();
            assert_eq!(matches(&filters, &event(action)), want, "{filter} {action}");
        }
    }

    #[test]
    fn an_event_is_shown_as_docker_shows_it() {
        let text = line(&event("di\x1be"));
        assert!(
            text.ends_with(" container di\\u{1b}e 0123456789ab (a=1, image=alpine, name=web)\n"),
            "{text}"
        );
        let show = |format: &str| shown(&Format::parse(format).unwrap(), &event("die")).unwrap();
        assert_eq!(
            show("{{.Action}} {{.Status}} {{.Actor.Attributes.name}} {{.Time}}"),
            "die die web 1700000000\n"
        );
        let json: Value = serde_json::from_str(&show("json")).unwrap();
        assert_eq!(json["timeNano"], 1_700_000_000_500_000_000_i64);
        assert_eq!(json["Actor"]["ID"], "0123456789ab");
        assert_eq!(json.get("Time"), None);
    }
}
