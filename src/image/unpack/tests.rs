//! Layers of all kinds, honest and not, through a stage into a store.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::image::Image;
use crate::image::testing::{Bed, Packed, bring, entry, tar};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn one(packed: Vec<u8>, plain: Vec<u8>) -> (Bed, Result<Image>) {
    let bed = Bed::new();
    let image = bring(&bed.images, &[Packed { packed, plain }]);
    (bed, image)
}

/// Nothing at all of it is in the store.
fn left(bed: &Bed) -> Vec<String> {
    let mut all = crate::image::store::place::names(&bed.images.store().layers());
    let images = bed.images.store().images();
    all.extend(crate::image::store::place::names(&images.join("stage")));
    all.extend(crate::image::store::place::names(
        &images.join("blobs/sha256"),
    ));
    all
}

#[test]
fn chain_ids_are_those_of_the_specification() {
    let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
    let text = format!("{a} {b}");
    assert_eq!(chain_ids(&[a.clone(), b]), [a, Digest::of(text.as_bytes())]);
}

#[test]
fn a_layer_in_each_of_its_wrappings_is_unpacked() {
    let plain = tar(&[entry("a/b", b"hello")]);
    let (half, rest) = plain.split_at(700);
    for packed in [
        plain.clone(),
        gzip(&plain),
        [gzip(half), gzip(rest)].concat(),
        zstd::encode_all(&plain[..], 3).unwrap(),
        // What zstd:chunked has at its end: a frame to be skipped.
        [
            zstd::encode_all(&plain[..], 3).unwrap(),
            vec![0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3],
        ]
        .concat(),
    ] {
        let (bed, image) = one(packed, plain.clone());
        let image = image.unwrap();
        let layer = bed.images.store().layer(&image.layers()[0]);
        assert_eq!(fs::read(layer.join("a/b")).unwrap(), b"hello");
        assert_eq!(image.size(), 5);
        assert!(image.is_unpacked());
        assert!(left(&bed).iter().all(|name| !name.starts_with('.')));
    }
}

#[test]
fn a_layer_whose_writer_was_not_closed_is_read() {
    // A header and a byte: neither filled up nor ended, as umoci leaves it.
    let plain = tar(&[entry("a", b"x")])[..513].to_vec();
    let (bed, image) = one(gzip(&plain), plain);
    let layer = bed.images.store().layer(&image.unwrap().layers()[0]);
    assert_eq!(fs::read(layer.join("a")).unwrap(), b"x");
    let plain = tar(&[entry("a", b"xy")])[..513].to_vec();
    let (_bed, image) = one(gzip(&plain), plain);
    assert!(image.unwrap_err().to_string().contains("cut short"));
}

#[test]
fn a_spoilt_layer_is_refused_and_nothing_is_left() {
    let plain = tar(&[entry("a", &[7; 5000])]);
    let packed = gzip(&plain);
    let cut = packed.len() / 2;
    let squeezed = zstd::encode_all(&plain[..], 3).unwrap();
    for (bytes, why) in [
        (packed[..cut].to_vec(), ""),
        (squeezed[..squeezed.len() - 4].to_vec(), ""),
        ([packed.clone(), b"garbage".to_vec()].concat(), ""),
        (
            gzip(&[plain.clone(), vec![1]].concat()),
            "is not what the image's configuration says",
        ),
        (gzip(&tar(&[entry("../a", b"x")])), ".."),
        (b"neither an archive nor packed".repeat(40), ""),
    ] {
        let (bed, image) = one(bytes, plain.clone());
        let e = image.expect_err(why).to_string();
        assert!(e.contains(why) && e.contains("the layer sha256:"), "{e}");
        assert_eq!(left(&bed), [""; 0], "{e}");
    }
}

#[test]
fn what_grows_beyond_measure_is_refused() {
    use std::sync::atomic::AtomicU64;
    // Two thousand million zeros in some sixty kilobytes, squeezed twice as
    // hard as gzip can.
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..2000 {
        encoder.write_all(&zeros).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    let read = |room: u64| {
        let (count, room) = (AtomicU64::new(0), AtomicU64::new(room));
        let plain = stream::Plain::open(&bomb[..], &Digest::of(b""), &count, &room).unwrap();
        let mut plain = plain.buffered();
        let read = std::io::copy(&mut plain, &mut std::io::sink());
        read.unwrap_err().to_string()
    };
    assert!(read(u64::MAX).contains("grows more"));
    assert!(read(1 << 20).contains("free on the disk"));
}

#[test]
fn a_link_to_a_file_below_is_one_file_with_it_again() {
    let bed = Bed::new();
    let below = tar(&[
        entry("d/", b"").mode(0o750).owner(7, 8),
        entry("d/f", b"below").mode(0o4755).owner(3, 4),
    ]);
    let above = tar(&[entry("d2/g", b"").link("d/f")]);
    let last = tar(&[entry("h", b"").link("d2/g")]);
    let layers = [below, above, last].map(Packed::plain);
    let image = bring(&bed.images, &layers).unwrap();
    let names = image.layers();
    assert!(
        names[0].starts_with("chain-") && names[1].starts_with("chain-"),
        "{names:?}"
    );
    let store = bed.images.store();
    let middle = store.layer(&names[1]);
    let (g, f) = (
        fs::metadata(middle.join("d2/g")).unwrap(),
        fs::metadata(middle.join("d/f")).unwrap(),
    );
    assert_eq!((g.ino(), g.nlink()), (f.ino(), 2));
    assert_eq!((f.mode() & 0o7777, f.uid(), f.gid()), (0o4755, 3, 4));
    let d = fs::metadata(middle.join("d")).unwrap();
    assert_eq!((d.mode() & 0o7777, d.uid(), d.gid()), (0o750, 7, 8));
    assert_eq!(
        fs::read(store.layer(&names[0]).join("h")).unwrap(),
        b"below"
    );
    assert_eq!(image.size(), 15);
    // The same layers on other ground are other directories.
    let other = [
        tar(&[entry("d/f", b"other")]),
        tar(&[entry("d2/g", b"").link("d/f")]),
    ];
    let second = bring(&bed.images, &other.map(Packed::plain)).unwrap();
    assert_ne!(second.layers()[0], names[1]);
    assert_eq!(
        fs::read(store.layer(&second.layers()[0]).join("d2/g")).unwrap(),
        b"other"
    );
}

#[test]
fn a_link_to_what_is_hidden_or_not_there_is_refused() {
    let below = || tar(&[entry("d/f", b"below"), entry("s", b"").symlink("d")]);
    for above in [
        tar(&[entry("d/.wh.f", b""), entry("g", b"").link("d/f")]),
        tar(&[entry(".wh.d", b""), entry("g", b"").link("d/f")]),
        tar(&[entry("d/.wh..wh..opq", b""), entry("g", b"").link("d/f")]),
        tar(&[entry("g", b"").link("s/f")]),
        tar(&[entry("g", b"").link("d")]),
        tar(&[entry("g", b"").link("none")]),
    ] {
        let bed = Bed::new();
        let layers = [below(), above].map(Packed::plain);
        let e = bring(&bed.images, &layers).unwrap_err().to_string();
        assert!(e.contains("which is not there"), "{e}");
        assert_eq!(left(&bed), [""; 0]);
    }
}

#[test]
fn of_equal_layers_the_uppermost_counts() {
    let bed = Bed::new();
    let a = || tar(&[entry("f", b"a"), entry(".wh.g", b"")]);
    let b = || tar(&[entry("f", b"b"), entry("g", b"b")]);
    let layers = [a(), b(), a(), b(), a()].map(Packed::plain);
    let image = bring(&bed.images, &layers).unwrap();
    let sum = |bytes: Vec<u8>| Digest::of(&bytes).hex().to_owned();
    assert_eq!(image.layers(), [sum(a()), sum(b())]);
    let layer = bed.images.store().layer(&sum(a()));
    assert!(
        fs::symlink_metadata(layer.join("g"))
            .unwrap()
            .file_type()
            .is_char_device()
    );
    // Two files and nothing twice.
    assert_eq!(image.size(), 3);
}

#[test]
fn a_known_layer_in_another_wrapping_is_checked_all_the_same() {
    let bed = Bed::new();
    let plain = tar(&[entry("a", b"x")]);
    bring(&bed.images, &[Packed::plain(plain.clone())]).unwrap();
    let lie = Packed {
        packed: gzip(&tar(&[entry("a", b"y")])),
        plain: plain.clone(),
    };
    let e = bring(&bed.images, &[lie]).unwrap_err().to_string();
    assert!(
        e.contains("is not what the image's configuration says"),
        "{e}"
    );
    let honest = Packed {
        packed: gzip(&plain),
        plain,
    };
    assert!(bring(&bed.images, &[honest]).is_ok());
}

#[test]
fn many_layers_at_once_all_arrive() {
    let bed = Bed::new();
    let layers: Vec<Packed> = (0..60u32)
        .map(|n| {
            let plain = tar(&[entry(
                &format!("f{n}"),
                &n.to_string().repeat(3000).into_bytes(),
            )]);
            Packed {
                packed: gzip(&plain),
                plain,
            }
        })
        .collect();
    let image = bring(&bed.images, &layers).unwrap();
    assert_eq!(image.layers().len(), 60);
    for (n, name) in image.layers().iter().rev().enumerate() {
        assert!(
            bed.images
                .store()
                .layer(name)
                .join(format!("f{n}"))
                .exists()
        );
    }
}

/// The writer may find out at any instant that its blob is another; whoever
/// reads it meanwhile must not be the first to complain.
#[test]
fn a_blob_that_is_removed_as_another_is_still_there_for_its_reader() {
    let bed = Bed::new();
    let stage = bed.images.stage().unwrap();
    let files = || crate::image::store::place::names(stage.dir());
    let before = files();
    let announced = Descriptor::new("", 5, Digest::of(b"right"));
    let mut writer = stage.blob(&announced).unwrap();
    let reader = writer.reader().unwrap();
    writer.write_all(b"wrong").unwrap();
    let e = writer.finish().unwrap_err().to_string();
    assert!(e.contains("is not what it should be"), "{e}");
    assert_eq!(files(), before);
    let mut read = [0; 5];
    reader.read_exact_at(&mut read, 0).unwrap();
    assert_eq!(&read, b"wrong");
}
