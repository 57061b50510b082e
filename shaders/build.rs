//! Expands, parses and validates every shader and writes what Rust must know of it: source, bindings, struct layouts.

#[path = "src/compile/preprocess.rs"]
mod preprocess;

use std::{error::Error, fmt::Write as _, fs, path::Path, process::ExitCode};

use naga::valid::{Capabilities, ValidationFlags, Validator};

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=wgsl");
    println!("cargo::rerun-if-changed=src/compile");
    match generate() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            for line in error.to_string().lines() {
                println!("cargo::error={line}");
            }
            ExitCode::FAILURE
        }
    }
}

fn generate() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(&std::env::var("CARGO_MANIFEST_DIR")?).join("wgsl");
    let mut names: Vec<String> = fs::read_dir(&folder)?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok()?.strip_suffix(".wgsl").map(str::to_owned))
        .collect();
    names.sort();
    let mut out = String::new();
    for name in &names {
        module(&folder, name, &mut out)?;
    }
    fs::write(Path::new(&std::env::var("OUT_DIR")?).join("shaders.rs"), out)?;
    Ok(())
}

fn module(folder: &Path, name: &str, out: &mut String) -> Result<(), Box<dyn Error>> {
    let mut read = |file: &str| fs::read_to_string(folder.join(file)).ok();
    let expanded = preprocess::expand(&format!("{name}.wgsl"), &mut read)?;
    let place = |line: Option<u32>| match line.and_then(|line| expanded.origin(line as usize)) {
        Some((file, line)) => format!("wgsl/{file}:{line}"),
        None => format!("wgsl/{name}.wgsl"),
    };
    let parsed = naga::front::wgsl::parse_str(&expanded.source).map_err(|error| {
        let line = error.location(&expanded.source).map(|l| l.line_number);
        format!("{}: {}", place(line), error.emit_to_string(&expanded.source))
    })?;
    // No optional capability: what validates here runs on every adapter.
    Validator::new(ValidationFlags::all(), Capabilities::empty()).validate(&parsed).map_err(|error| {
        let line = error.location(&expanded.source).map(|l| l.line_number);
        format!("{}: {}", place(line), error.emit_to_string(&expanded.source))
    })?;
    writeln!(out, "/// `{name}.wgsl`\npub mod {name} {{")?;
    writeln!(out, "/// The whole source, imports put in.\npub const SOURCE: &str = {:?};", expanded.source)?;
    writeln!(out, "/// What the shader is bound to.\npub const BINDINGS: &[crate::Binding] = &[")?;
    for (_, variable) in parsed.global_variables.iter() {
        if let (Some(binding), Some(variable_name)) = (&variable.binding, &variable.name) {
            let (group, index) = (binding.group, binding.binding);
            writeln!(out, "crate::Binding {{ group: {group}, binding: {index}, name: {variable_name:?} }},")?;
        }
    }
    writeln!(out, "];")?;
    for (_, variable) in parsed.global_variables.iter() {
        if variable.space == naga::AddressSpace::Uniform {
            layout(&parsed.types[variable.ty], out)?;
        }
    }
    writeln!(out, "}}")?;
    Ok(())
}

fn layout(ty: &naga::Type, out: &mut String) -> Result<(), Box<dyn Error>> {
    let naga::TypeInner::Struct { members, span } = &ty.inner else {
        return Err("a uniform must be a struct".into());
    };
    let name = ty.name.as_deref().ok_or("a uniform's struct must have a name")?;
    writeln!(out, "/// Layout of `{name}`.\n#[expect(non_snake_case, reason = \"the name is the shader's\")]")?;
    writeln!(out, "pub mod {name} {{\n/// Bytes in all.\npub const SIZE: usize = {span};")?;
    writeln!(out, "/// How many members.\npub const NUM_MEMBERS: usize = {};", members.len())?;
    writeln!(
        out,
        "/// Byte offset of each member.\n#[expect(non_upper_case_globals, reason = \"the shader's names\")]"
    )?;
    writeln!(out, "pub mod offset {{")?;
    for member in members {
        let member_name = member.name.as_deref().ok_or("a member must have a name")?;
        writeln!(out, "/// `{member_name}`\npub const {member_name}: usize = {};", member.offset)?;
    }
    writeln!(out, "}}\n}}")?;
    Ok(())
}
