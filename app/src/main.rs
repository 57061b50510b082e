//! `voco`: the window, and the same work without one.

mod cli;
mod folders;
mod label_files;
mod label_presets;
mod report;
mod sample;
mod surfaces;
mod turntable;
mod window;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args = cli::Args::parse();
    if let Some(word) = args.unknown_word() {
        cli::say(&format!("error: there is no command and no file '{word}'; 'voco --help' lists the commands"));
        return ExitCode::from(2);
    }
    let level = if args.verbose { tracing::Level::DEBUG } else { tracing::Level::WARN };
    tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).with_target(false).init();
    let result = match args.command {
        None => window::run(args.files, args.sample, args.time_start),
        Some(command) => cli::run(command),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One sentence, whatever layers it came through.
            cli::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
