//! Where the program begins, for the linker.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let of = |name: &str| std::env::var(name).unwrap_or_default();
    if of("CARGO_CFG_TARGET_ARCH") == "x86_64" && of("CARGO_CFG_TARGET_ENV") == "gnu" {
        // `src/sys/start.rs`; libraries and tests begin as usual.
        println!("cargo:rustc-link-arg-bins=-Wl,-e,rcon_start");
    }
}
