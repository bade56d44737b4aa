//! `cargo xtask pkg`: builds the engine for wasm and writes the glue, with wasm-bindgen as a library; and the wasm of sluice/bytes and sluice/content-key, which has none.
//!
//! A library, because Cargo.lock then pins it like any other crate and there is no command-line tool to install. The result is the same
//! byte for byte on every machine, which `.ci/run` checks: paths of this machine are renamed before they reach panic messages, and
//! the toolchain, the crates and binaryen are pinned. `wasm-opt` comes after this, in scripts/build-wasm.mjs.
#![expect(clippy::print_stderr, reason = "a command-line tool")]

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use wasm_bindgen_cli_support::Bindgen;

const TARGET: &str = "wasm32-unknown-unknown";

const USAGE: &str = "usage: cargo xtask pkg [--features <list>] [--out <folder>]

  --features  cargo features of the engine, such as test-hooks
  --out       where to write the four files, from the project's folder; pkg if left out";

type Outcome<T> = Result<T, Box<dyn Error>>;

struct Options {
    features: Option<String>,
    out: PathBuf,
}

fn main() -> ExitCode {
    match parse(env::args().skip(1)).and_then(|options| pkg(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parse(mut args: impl Iterator<Item = String>) -> Outcome<Options> {
    if args.next().as_deref() != Some("pkg") {
        return Err(USAGE.into());
    }
    let mut options = Options { features: None, out: PathBuf::from("pkg") };
    while let Some(flag) = args.next() {
        let value = args.next().ok_or(USAGE)?;
        match flag.as_str() {
            "--features" => options.features = Some(value),
            "--out" => options.out = PathBuf::from(value),
            _ => return Err(USAGE.into()),
        }
    }
    Ok(options)
}

fn pkg(options: &Options) -> Outcome<()> {
    let xtask = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let root = xtask.parent().ok_or("xtask/ has no parent folder")?;
    ensure_target(root)?;
    ensure_sources(root)?;
    let wasm = compile(root, "sluice", "core,alloc", options.features.as_deref())?;
    Bindgen::new()
        .input_path(wasm)
        .out_name("engine")
        .web(true)?
        .typescript(true)
        // No `new URL(…, import.meta.url)`: bundlers would go looking for the file.
        .omit_default_module_path(true)
        // `__wbg_reset_state()`: a fresh instance from the same module after a trap.
        .reset_state_function(true)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate(root.join(&options.out))?;
    if options.features.is_none() {
        for (feature, file) in [("frame", "bytes_bg.wasm"), ("sha256", "sha256_bg.wasm")] {
            let wasm = compile(root, "sluice-bytes", "core", Some(feature))?;
            fs::copy(wasm, root.join(&options.out).join(file))?;
        }
    }
    Ok(())
}

/// rustup's own automatic installation may be switched off, and a Rust without rustup may have the target already.
fn ensure_target(root: &Path) -> Outcome<()> {
    let lib = output(Command::new("rustc").current_dir(root).args(["--print", "target-libdir", "--target", TARGET]))?;
    if Path::new(lib.trim()).exists() {
        return Ok(());
    }
    run(Command::new("rustup").current_dir(root).args(["target", "add", TARGET]))
}

/// core and alloc are compiled with what uses them, from the sources that the toolchain's component rust-src has.
fn ensure_sources(root: &Path) -> Outcome<()> {
    if sysroot(root)?.join("lib/rustlib/src/rust/library/core").exists() {
        return Ok(());
    }
    run(Command::new("rustup").current_dir(root).args(["component", "add", "rust-src"]))
}

/// Compiles a package of the workspace for wasm, with the crates `std` of the standard library.
fn compile(root: &Path, package: &str, std: &str, features: Option<&str>) -> Outcome<PathBuf> {
    let target_dir = root.join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()));
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root).args(["build", "--locked", "--release", "--lib", "--package", package, "--target", TARGET]);
    cargo.arg(format!("-Zbuild-std={std}"));
    cargo.arg("--target-dir").arg(&target_dir).env("CARGO_ENCODED_RUSTFLAGS", flags(root)?);
    // For flags with -Z: the toolchain is pinned, so that what is unstable does not change under us.
    cargo.env("RUSTC_BOOTSTRAP", "1");
    if let Some(features) = features {
        cargo.args(["--features", features]);
    }
    run(&mut cargo)?;
    Ok(target_dir.join(TARGET).join("release").join(package.replace('-', "_")).with_extension("wasm"))
}

/// Makes the wasm small, without which it would not fit into the package's budget (docs/decisions.md has what each is worth): a panic traps
/// at once, without a message or a place to format, and small functions are inlined early, where what they leave behind is still seen.
const SMALL: [&str; 5] = [
    "-Zunstable-options",
    "-Cpanic=immediate-abort",
    "-Zlocation-detail=none",
    "-Zinline-mir=yes",
    "-Cllvm-args=-inline-threshold=100",
];

/// Flags that make the wasm small, and make paths those of no machine, in the encoding of `CARGO_ENCODED_RUSTFLAGS`.
fn flags(root: &Path) -> Outcome<String> {
    let cargo_home = match env::var_os("CARGO_HOME") {
        Some(home) => PathBuf::from(home),
        None => env::home_dir().ok_or("no home folder")?.join(".cargo"),
    };
    let version = output(Command::new("rustc").current_dir(root).arg("-vV"))?;
    let commit = version.lines().find_map(|line| line.strip_prefix("commit-hash: ")).ok_or("rustc names no commit")?;
    let renames = [
        (root.to_path_buf(), "/sluice".to_string()),
        (cargo_home.join("registry/src"), "/crates".to_string()),
        (sysroot(root)?.join("lib/rustlib/src/rust"), format!("/rustc/{commit}")),
    ];
    let renames = renames.iter().map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display()));
    let flags = renames.chain(SMALL.map(str::to_string));
    Ok(flags.collect::<Vec<_>>().join("\u{1f}"))
}

fn sysroot(root: &Path) -> Outcome<PathBuf> {
    let printed = output(Command::new("rustc").current_dir(root).args(["--print", "sysroot"]))?;
    Ok(PathBuf::from(printed.trim()))
}

fn run(command: &mut Command) -> Outcome<()> {
    let status = command.status().map_err(|error| format!("{}: {error}", name(command)))?;
    if status.success() { Ok(()) } else { Err(format!("{} failed: {status}", name(command)).into()) }
}

fn output(command: &mut Command) -> Outcome<String> {
    let output = command.output().map_err(|error| format!("{}: {error}", name(command)))?;
    if !output.status.success() {
        return Err(format!("{} failed: {}", name(command), String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn name(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}
