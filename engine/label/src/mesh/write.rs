use std::io::{self, Write};

use glam::Vec3;

use super::Mesh;

/// Which way the axes of a file of triangles point; STL and OBJ have no field for it, so it stands in their comments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Space {
    /// x to the right, y to the front, z to the head, as in NIfTI.
    Ras,
    /// x to the left, y to the back, z to the head, as in DICOM.
    Lps,
}

/// A format for triangles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeshFormat {
    /// Binary STL; the header names the space.
    Stl,
    /// OBJ; a comment names the space.
    Obj,
    /// Binary PLY, little-endian, with normals and colour.
    Ply,
    /// glTF 2.0 in one file (`.glb`). Millimetres of the space, under a node that turns them to metres with y up.
    Glb,
}

impl Space {
    /// As files write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ras => "RAS",
            Self::Lps => "LPS",
        }
    }

    fn of(self, p: Vec3) -> Vec3 {
        match self {
            Self::Ras => p,
            Self::Lps => Vec3::new(-p.x, -p.y, p.z),
        }
    }
}

/// Writes triangles. `name` is the segment's; `color` is sRGB.
///
/// # Errors
/// What `out` says, or a mesh that the format cannot hold.
pub fn write_mesh(
    out: &mut impl Write,
    mesh: &Mesh,
    format: MeshFormat,
    space: Space,
    name: &str,
    color: [u8; 3],
) -> io::Result<()> {
    let name: String = name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match format {
        MeshFormat::Stl => stl(out, mesh, space),
        MeshFormat::Obj => obj(out, mesh, space, &name),
        MeshFormat::Ply => ply(out, mesh, space, color),
        MeshFormat::Glb => glb(out, mesh, space, &name, color),
    }
}

fn stl(out: &mut impl Write, mesh: &Mesh, space: Space) -> io::Result<()> {
    let mut head = format!("VoCo Workbench; SPACE={}; unit mm", space.name()).into_bytes();
    head.resize(80, b' ');
    out.write_all(&head)?;
    out.write_all(&count(mesh.triangles.len())?.to_le_bytes())?;
    for triangle in &mesh.triangles {
        let [a, b, c] = triangle.map(|n| space.of(mesh.points_mm[n as usize]));
        let normal = (b - a).cross(c - a).normalize_or_zero();
        let mut bytes = [0; 50];
        let values = [normal, a, b, c].into_iter().flat_map(|v| v.to_array());
        for (to, value) in bytes.chunks_exact_mut(4).zip(values) {
            to.copy_from_slice(&value.to_le_bytes());
        }
        out.write_all(&bytes)?;
    }
    Ok(())
}

fn obj(out: &mut impl Write, mesh: &Mesh, space: Space, name: &str) -> io::Result<()> {
    writeln!(out, "# VoCo Workbench\n# SPACE={}\n# unit mm\no {}", space.name(), name.replace(' ', "_"))?;
    for p in &mesh.points_mm {
        let p = space.of(*p);
        writeln!(out, "v {} {} {}", p.x, p.y, p.z)?;
    }
    for n in &mesh.normals {
        let n = space.of(*n);
        writeln!(out, "vn {:.4} {:.4} {:.4}", n.x, n.y, n.z)?;
    }
    for triangle in &mesh.triangles {
        let [a, b, c] = triangle.map(|n| n + 1);
        writeln!(out, "f {a}//{a} {b}//{b} {c}//{c}")?;
    }
    Ok(())
}

fn ply(out: &mut impl Write, mesh: &Mesh, space: Space, color: [u8; 3]) -> io::Result<()> {
    writeln!(out, "ply\nformat binary_little_endian 1.0\ncomment SPACE={}\ncomment unit mm", space.name())?;
    writeln!(out, "element vertex {}", mesh.points_mm.len())?;
    for property in ["x", "y", "z", "nx", "ny", "nz"] {
        writeln!(out, "property float {property}")?;
    }
    writeln!(out, "property uchar red\nproperty uchar green\nproperty uchar blue")?;
    writeln!(out, "element face {}\nproperty list uchar uint vertex_indices\nend_header", mesh.triangles.len())?;
    for (p, n) in mesh.points_mm.iter().zip(&mesh.normals) {
        for value in [space.of(*p), space.of(*n)].into_iter().flat_map(|v| v.to_array()) {
            out.write_all(&value.to_le_bytes())?;
        }
        out.write_all(&color)?;
    }
    for triangle in &mesh.triangles {
        out.write_all(&[3])?;
        for n in triangle {
            out.write_all(&n.to_le_bytes())?;
        }
    }
    Ok(())
}

fn glb(out: &mut impl Write, mesh: &Mesh, space: Space, name: &str, color: [u8; 3]) -> io::Result<()> {
    let vertices = mesh.points_mm.len();
    let (mut low, mut high) = (Vec3::INFINITY, Vec3::NEG_INFINITY);
    for p in &mesh.points_mm {
        let p = space.of(*p);
        (low, high) = (low.min(p), high.max(p));
    }
    // glTF has metres, y up, and the front towards +z; here columns are where x, y and z of the space go.
    let s = 0.001_f32;
    let matrix = match space {
        Space::Ras => [-s, 0., 0., 0., 0., 0., s, 0., 0., s, 0., 0., 0., 0., 0., 1.],
        Space::Lps => [s, 0., 0., 0., 0., 0., -s, 0., 0., s, 0., 0., 0., 0., 0., 1.],
    };
    let linear = color.map(|c| {
        let c = f64::from(c) / 255.0;
        if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    });
    let (points, indices) = (vertices * 12, mesh.triangles.len() * 12);
    let total = 2 * points + indices;
    let quoted = |text: &str| {
        let escape = |c: char| match c {
            '"' | '\\' => format!("\\{c}"),
            c => c.to_string(),
        };
        format!("\"{}\"", text.chars().map(escape).collect::<String>())
    };
    let is_empty = mesh.triangles.is_empty();
    let mut json = format!(
        "{{\"asset\":{{\"version\":\"2.0\",\"generator\":\"VoCo Workbench\",\"extras\":{{\"space\":\"{}\",\"unit\":\"mm\"}}}},\
         \"scene\":0,\"scenes\":[{{\"nodes\":[0]}}]",
        space.name()
    );
    if is_empty {
        json.extend([format!(",\"nodes\":[{{\"name\":{}}}]}}", quoted(name))]);
    } else {
        json.extend([format!(
            ",\"nodes\":[{{\"name\":{name},\"mesh\":0,\"matrix\":{matrix:?}}}],\
             \"meshes\":[{{\"name\":{name},\"primitives\":[{{\"attributes\":{{\"POSITION\":0,\"NORMAL\":1}},\"indices\":2,\"material\":0}}]}}],\
             \"materials\":[{{\"pbrMetallicRoughness\":{{\"baseColorFactor\":[{:.5},{:.5},{:.5},1],\"metallicFactor\":0,\"roughnessFactor\":0.7}}}}],\
             \"buffers\":[{{\"byteLength\":{total}}}],\
             \"bufferViews\":[{{\"buffer\":0,\"byteOffset\":0,\"byteLength\":{points},\"target\":34962}},\
             {{\"buffer\":0,\"byteOffset\":{points},\"byteLength\":{points},\"target\":34962}},\
             {{\"buffer\":0,\"byteOffset\":{},\"byteLength\":{indices},\"target\":34963}}],\
             \"accessors\":[{{\"bufferView\":0,\"componentType\":5126,\"count\":{vertices},\"type\":\"VEC3\",\"min\":{:?},\"max\":{:?}}},\
             {{\"bufferView\":1,\"componentType\":5126,\"count\":{vertices},\"type\":\"VEC3\"}},\
             {{\"bufferView\":2,\"componentType\":5125,\"count\":{},\"type\":\"SCALAR\"}}]}}",
            linear[0],
            linear[1],
            linear[2],
            2 * points,
            low.to_array(),
            high.to_array(),
            mesh.triangles.len() * 3,
            name = quoted(name),
        )]);
    }
    while !json.len().is_multiple_of(4) {
        json.push(' ');
    }
    let body = if is_empty { 0 } else { 8 + total };
    out.write_all(b"glTF")?;
    for n in [2, count(12 + 8 + json.len() + body)?, count(json.len())?] {
        out.write_all(&n.to_le_bytes())?;
    }
    out.write_all(b"JSON")?;
    out.write_all(json.as_bytes())?;
    if is_empty {
        return Ok(());
    }
    out.write_all(&count(total)?.to_le_bytes())?;
    out.write_all(b"BIN\0")?;
    for value in mesh.points_mm.iter().chain(&mesh.normals).flat_map(|p| space.of(*p).to_array()) {
        out.write_all(&value.to_le_bytes())?;
    }
    for n in mesh.triangles.iter().flatten() {
        out.write_all(&n.to_le_bytes())?;
    }
    Ok(())
}

fn count(n: usize) -> io::Result<u32> {
    u32::try_from(n).map_err(|_large| io::Error::other("the surface has too many triangles for this format"))
}
