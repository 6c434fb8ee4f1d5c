//! Requests against bytes written down, answers against whatever bytes.

use proptest::prelude::*;

use super::decode::{Meaning, answers, attributes, find, number, text};
use super::nftables::{Chain, Expr, Hook, Table};
use super::ruleset::Rule;
use super::{Message, link, message};

#[test]
fn a_request_is_a_header_a_fixed_part_and_attributes() {
    let mut m = Message::new(16, message::CREATE, &[7, 8, 9]);
    m.text(3, "ab").nest(18, |m| {
        m.number(1, 5);
    });
    let bytes = m.acknowledged().bytes(9);
    let len = 16 + 4 + 8 + 12;
    let mut want = Vec::new();
    want.extend(u32::to_ne_bytes(len));
    want.extend(u16::to_ne_bytes(16));
    want.extend(u16::to_ne_bytes(0x401 | 4));
    want.extend(u32::to_ne_bytes(9));
    want.extend([0; 4]);
    want.extend([7, 8, 9, 0]);
    want.extend([u16::to_ne_bytes(7), u16::to_ne_bytes(3)].concat());
    want.extend(*b"ab\0\0");
    want.extend([u16::to_ne_bytes(12), u16::to_ne_bytes(0x8012)].concat());
    want.extend([u16::to_ne_bytes(8), u16::to_ne_bytes(1)].concat());
    want.extend(u32::to_ne_bytes(5));
    assert_eq!(bytes, want);
}

fn error(code: i32, flags: u16, rest: &[u8]) -> Vec<u8> {
    let mut m = Message::new(2, flags, &code.to_ne_bytes());
    m.raw(rest);
    m.bytes(3)
}

#[test]
fn a_failure_is_told_in_the_kernels_words() {
    // Only the header of the request is repeated, then come the words.
    let mut tail = Message::new(0, 0, &[]);
    tail.text(1, "no such thing");
    let bytes = error(-19, 0x300, &tail.bytes(3));
    let all: Vec<_> = answers(&bytes)
        .map(super::decode::Answer::meaning)
        .collect();
    assert_eq!(all, [Meaning::Failed(19, "no such thing".to_owned())]);
    let bytes = error(0, 0, &[]);
    let all: Vec<_> = answers(&bytes)
        .map(super::decode::Answer::meaning)
        .collect();
    assert_eq!(all, [Meaning::Done]);
}

#[test]
fn an_attribute_may_be_empty_or_cut_off() {
    let bytes = [4u16.to_ne_bytes(), 1u16.to_ne_bytes()].concat();
    assert_eq!(find(&bytes, 1), Some(&[][..]));
    assert_eq!(find(&bytes[..3], 1), None);
    assert_eq!(text(b"abc\0def").as_deref(), Some("abc"));
    assert_eq!(number(&[1, 2]), None);
}

#[test]
fn a_table_is_replaced_in_one_batch() {
    let table = Table {
        name: "rcon-x".to_owned(),
        comment: "whose".to_owned(),
        chains: vec![Chain {
            name: "forward",
            hook: Hook::Forward,
            rules: vec![vec![Expr::From("rc-*".to_owned()), Expr::Drop]],
        }],
    };
    let kinds: Vec<u16> = table
        .replace()
        .iter()
        .flat_map(|m| answers(&m.bytes(1)).map(|a| a.kind).collect::<Vec<_>>())
        .collect();
    let nft = 10 << 8;
    assert_eq!(kinds, [16, nft, nft | 2, nft, nft | 3, nft | 6, 17]);
}

#[test]
fn the_beginning_of_a_name_is_compared_without_its_end() {
    let rule = |name: &str| {
        let chain = Chain {
            name: "c",
            hook: Hook::Forward,
            rules: vec![vec![Expr::From(name.to_owned())]],
        };
        let table = Table {
            name: "t".to_owned(),
            comment: String::new(),
            chains: vec![chain],
        };
        let all = table.replace();
        all[all.len() - 2].bytes(1)
    };
    let holds = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).any(|w| w == what);
    assert!(holds(&rule("rc-a"), b"rc-a\0\0\0\0\0\0\0\0\0\0\0\0"));
    // Seven bytes: the length, the kind, and three letters.
    let prefix = [&7u16.to_ne_bytes()[..], &1u16.to_ne_bytes(), b"rc-"].concat();
    assert!(holds(&rule("rc-*"), &prefix));
}

#[test]
fn a_long_comment_is_cut_to_what_has_room() {
    let table = Table {
        name: "t".to_owned(),
        comment: "x".repeat(400),
        chains: Vec::new(),
    };
    let bytes = table.replace()[3].bytes(1);
    let attribute = find(&bytes[20..], 6).unwrap();
    assert_eq!((attribute[0], attribute[1], attribute.len()), (0, 251, 253));
}

#[test]
fn a_pair_has_its_far_end_in_another_namespace() {
    let file = std::fs::File::open("/proc/self/ns/net").unwrap();
    let new = link::New {
        name: "near",
        mac: None,
        mtu: 0,
        up: true,
    };
    let peer = link::Peer {
        namespace: std::os::fd::AsFd::as_fd(&file),
        new: link::New {
            name: "far",
            mac: Some([2, 1, 2, 3, 4, 5]),
            mtu: 1400,
            up: false,
        },
    };
    let bytes = link::veth(&new, 7, &peer).bytes(1);
    let outer = &bytes[32..];
    let info = find(outer, 18).unwrap();
    assert_eq!(find(info, 1).and_then(text).as_deref(), Some("veth"));
    let far = &find(find(info, 2).unwrap(), 1).unwrap()[16..];
    assert_eq!(find(far, 3).and_then(text).as_deref(), Some("far"));
    assert_eq!(find(far, 4).and_then(number), Some(1400));
    assert_eq!(find(far, 1), Some(&[2, 1, 2, 3, 4, 5][..]));
    assert_eq!(find(outer, 10).and_then(number), Some(7));
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
        for answer in answers(&bytes).take(1000) {
            let _ = answer.meaning();
            let _ = answer.find(16, 1);
        }
        for (_, value) in attributes(&bytes).take(1000) {
            let _ = (text(value), number(value));
        }
    }

    #[test]
    fn any_rule_is_survived(
        parts in proptest::collection::vec(
            (
                proptest::sample::select(vec!["meta", "cmp", "payload", "bitwise", "immediate", "lookup"]),
                proptest::collection::vec((1u16..6, proptest::collection::vec(any::<u8>(), 0..12)), 0..5),
            ),
            0..6,
        )
    ) {
        let mut m = Message::new(0, 0, &[]);
        for (name, data) in &parts {
            m.nest(1, |m| {
                m.text(1, name).nest(2, |m| {
                    for (kind, value) in data {
                        m.attribute(*kind, value);
                    }
                });
            });
        }
        let _ = Rule::read(&m.bytes(1)[16..]);
    }

    #[test]
    fn bytes_that_look_like_an_error_are_survived(
        flags in any::<u16>(),
        rest in proptest::collection::vec(any::<u8>(), 0..64)
    ) {
        for answer in answers(&error(-1, flags, &rest)) {
            let _ = answer.meaning();
        }
    }

    #[test]
    fn what_was_written_is_read(kinds in proptest::collection::vec((1u16..100, proptest::collection::vec(any::<u8>(), 0..20)), 0..10)) {
        let mut m = Message::new(0, 0, &[]);
        for (kind, value) in &kinds {
            m.attribute(*kind, value);
        }
        let bytes = m.bytes(1);
        let read: Vec<(u16, Vec<u8>)> = attributes(&bytes[16..]).map(|(k, v)| (k, v.to_vec())).collect();
        prop_assert_eq!(read, kinds);
    }
}
