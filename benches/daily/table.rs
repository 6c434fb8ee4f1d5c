//! The results as markdown.

use std::fs;
use std::path::Path;
use std::thread::available_parallelism;

use crate::case::{Case, Goal, Measure, Unit};
use crate::cases;
use crate::leg::Leg;

/// Which cases there are.
pub(crate) fn list() {
    for case in cases::all() {
        println!("{:<12}{}", case.name, case.about);
    }
}

/// On what machine it was measured, and what else went on there. How the disk
/// is mounted may decide everything: `discard`, say, is a wait for each file
/// that is removed.
pub(crate) fn machine(dir: &Path) {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let (release, load) = (read("/proc/sys/kernel/osrelease"), read("/proc/loadavg"));
    let cpus = available_parallelism().map_or(0, usize::from);
    let load = load.split(' ').next().unwrap_or("?");
    println!(
        "Linux {}, {cpus} CPUs, load {load} before the first case. Files are on {}.",
        release.trim(),
        file_system(dir).unwrap_or_default()
    );
}

/// Type and options of what a directory is on: the longest mount point that
/// the path begins with.
fn file_system(dir: &Path) -> Option<String> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let fields = mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>());
    let above = fields.filter(|mount| mount.len() > 3 && dir.starts_with(mount[1]));
    let mount = above.max_by_key(|mount| mount[1].len())?;
    Some(format!("{} ({})", mount[2], mount[3]))
}

pub(crate) fn heading(case: &Case, rounds: usize) {
    let before = match case.warm_up {
        0 => String::new(),
        count => format!(" after {count} to warm up"),
    };
    println!(
        "\n## {}\n\n{} Rounds: {rounds}{before}.",
        case.name, case.about
    );
}

/// A table for each measure; true when rcon is in all of them.
pub(crate) fn print(case: &Case, legs: &[Leg]) -> bool {
    let mut complete = true;
    for (index, measure) in case.measures.iter().enumerate() {
        complete &= one(measure, index, legs);
    }
    complete
}

fn one(measure: &Measure, index: usize, legs: &[Leg]) -> bool {
    let unit = measure.unit;
    let ours = legs.first().and_then(|leg| median(&leg.values(index)));
    println!("\n### {}\n", measure.title);
    println!(
        "| what | with | median {} | min | max | to rcon |",
        unit.name()
    );
    println!("|---|---|---:|---:|---:|---:|");
    for leg in legs {
        row(leg, index, unit, ours);
    }
    println!();
    for goal in &measure.goals {
        println!("{}", verdict(goal, unit, index, legs));
    }
    ours.is_some()
}

fn row(leg: &Leg, index: usize, unit: Unit, ours: Option<f64>) {
    let start = format!("| {} | {} ", leg.name, leg.had);
    let values = leg.values(index);
    if let Some(why) = &leg.failure {
        println!("{start}| failed: {} | | | |", why.replace('|', "/"));
    } else if let Some(middle) = median(&values) {
        let ratio = ours.map_or(String::new(), |ours| format!("{:.2}", middle / ours));
        let (low, high) = ends(&values);
        let [middle, low, high] = [middle, low, high].map(|value| unit.show(value));
        println!("{start}| {middle} | {low} | {high} | {ratio} |");
    }
}

/// Whether a goal is reached, in words.
fn verdict(goal: &Goal, unit: Unit, index: usize, legs: &[Leg]) -> String {
    let of = |name: &str| {
        let leg = legs.iter().find(|leg| leg.name == name);
        leg.and_then(|leg| median(&leg.values(index)))
    };
    let bound = if unit.less_is_better() {
        "at most"
    } else {
        "at least"
    };
    let (said, limit) = match goal.times {
        Some(name) => (
            format!("{} x {name}", goal.factor),
            of(name).map(|v| v * goal.factor),
        ),
        None => ("this".to_owned(), Some(goal.factor)),
    };
    let (Some(limit), Some(ours)) = (limit, of("rcon")) else {
        return format!("- Target: {bound} {said}: cannot be told here.");
    };
    let met = (ours <= limit) == unit.less_is_better() || (ours - limit).abs() < f64::EPSILON;
    let met = if met { "met" } else { "**missed**" };
    let (limit, ours) = (unit.show(limit), unit.show(ours));
    format!(
        "- Target: {bound} {said} = {limit} {}; rcon {ours}: {met}.",
        unit.name()
    )
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted.len().checked_sub(1)? / 2, sorted.len() / 2);
    Some(f64::midpoint(sorted[low], sorted[high]))
}

fn ends(values: &[f64]) -> (f64, f64) {
    let fold = |pick: fn(f64, f64) -> f64| values.iter().copied().reduce(pick).unwrap_or(0.0);
    (fold(f64::min), fold(f64::max))
}
