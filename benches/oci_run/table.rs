//! The results as markdown tables.

use std::fs;
use std::thread::available_parallelism;
use std::time::Duration;

use crate::leg::Leg;
use crate::options::{Case, Options};

/// On what machine and how it was measured.
pub(crate) fn machine(options: &Options) {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cpus = available_parallelism().map_or(0, usize::from);
    println!(
        "Linux {}, {cpus} CPUs; {} rounds in turn after {} to warm up.",
        release.trim(),
        options.rounds,
        options.warm_up
    );
}

/// Prints a case's table; true when rcon has times in it.
pub(crate) fn print(case: Case, legs: &[Leg]) -> bool {
    heading(case);
    let ours = legs.first().and_then(|leg| median(&leg.times));
    println!("| what | with | median ms | min | max | to rcon |");
    println!("|---|---|---:|---:|---:|---:|");
    for leg in legs {
        println!("{}", row(leg, ours));
    }
    ours.is_some()
}

/// Says why there is no table. Never true: rcon is not in it.
pub(crate) fn left_out(case: Case, why: &str) -> bool {
    heading(case);
    println!("Left out: {why}.");
    false
}

fn heading(case: Case) {
    println!("\n### {}\n\n{}\n", case.name(), case.explained());
}

fn row(leg: &Leg, ours: Option<Duration>) -> String {
    let start = format!("| {} | {} ", leg.name, leg.had);
    if let Some(why) = &leg.failure {
        let why = why.replace('|', "/");
        return format!("{start}| failed: {why} | | | |");
    }
    let (Some(median), Some(min), Some(max)) = (
        median(&leg.times),
        leg.times.iter().min(),
        leg.times.iter().max(),
    ) else {
        return format!("{start}| | | | |");
    };
    let ratio = ours.map_or(String::new(), |ours| {
        format!("{:.2}", median.as_secs_f64() / ours.as_secs_f64())
    });
    let [median, min, max] = [median, *min, *max].map(milliseconds);
    format!("{start}| {median} | {min} | {max} | {ratio} |")
}

fn median(times: &[Duration]) -> Option<Duration> {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let (low, high) = (sorted.len().checked_sub(1)? / 2, sorted.len() / 2);
    Some((sorted[low] + sorted[high]) / 2)
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1000.0)
}
