use burn::tensor::{Device, DeviceKind};
use voco_engine_api::{DeviceChoice, DeviceInfo, EngineFailure};

/// The CPU and all graphics adapters, in the order of `gpu:N` (real GPUs first).
pub fn devices() -> Vec<DeviceInfo> {
    let cpu = DeviceInfo {
        choice: "cpu".into(),
        name: format!("CPU, {} threads", std::thread::available_parallelism().map_or(1, usize::from)),
        backend: "flex".into(),
        kind: "cpu".into(),
        is_software: false,
    };
    let mut all = vec![cpu];
    for (n, (info, _)) in adapters().into_iter().enumerate() {
        let is_software = info.device_type == wgpu::DeviceType::Cpu;
        all.push(DeviceInfo {
            choice: if is_software { "none".into() } else { format!("gpu:{n}") },
            name: info.name,
            backend: format!("{:?}", info.backend),
            kind: match info.device_type {
                wgpu::DeviceType::DiscreteGpu => "discrete gpu",
                wgpu::DeviceType::IntegratedGpu => "integrated gpu",
                wgpu::DeviceType::VirtualGpu => "virtual gpu",
                wgpu::DeviceType::Cpu => "software renderer",
                wgpu::DeviceType::Other => "other",
            }
            .into(),
            is_software,
        });
    }
    all
}

/// The device for a choice, its name, and why `auto` took it.
///
/// # Errors
/// If there is no GPU of that number, or it is a software renderer.
pub fn resolve(choice: DeviceChoice) -> Result<(Device, String, String), EngineFailure> {
    let cpu = |why: &str| (Device::flex(), "cpu".to_owned(), why.to_owned());
    if choice == DeviceChoice::Cpu {
        return Ok(cpu("the CPU was asked for"));
    }
    let wanted = if let DeviceChoice::Gpu(n) = choice { n } else { 0 };
    let real = adapters().into_iter().filter(|(info, _)| info.device_type != wgpu::DeviceType::Cpu).nth(wanted);
    match (choice, real) {
        (_, Some((info, kind))) => Ok((Device::wgpu(kind), info.name, "it is the first real GPU".to_owned())),
        (DeviceChoice::Gpu(n), None) => Err(EngineFailure::Device(format!(
            "There is no GPU number {n} that can compute; 'voco devices' lists what there is, '--device cpu' always works"
        ))),
        (_, None) => Ok(cpu("there is no GPU (software renderers are slower than the CPU)")),
    }
}

/// Adapters with the selector by which burn finds the same one: its number among those of its kind.
fn adapters() -> Vec<(wgpu::AdapterInfo, DeviceKind)> {
    // The interfaces that burn's wgpu backend chooses from; OpenGL would list the same GPUs again.
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::PRIMARY;
    let instance = wgpu::Instance::new(descriptor);
    let all = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::PRIMARY));
    let mut seen = std::collections::HashMap::new();
    let mut out: Vec<(wgpu::AdapterInfo, DeviceKind)> = Vec::new();
    for adapter in all {
        let info = adapter.get_info();
        let n = seen.entry(format!("{:?}", info.device_type)).or_insert(0_usize);
        let kind = match info.device_type {
            wgpu::DeviceType::DiscreteGpu => DeviceKind::DiscreteGpu(*n),
            wgpu::DeviceType::IntegratedGpu => DeviceKind::IntegratedGpu(*n),
            wgpu::DeviceType::VirtualGpu => DeviceKind::VirtualGpu(*n),
            wgpu::DeviceType::Cpu => DeviceKind::Cpu,
            wgpu::DeviceType::Other => DeviceKind::DefaultDevice,
        };
        *n += 1;
        out.push((info, kind));
    }
    let rank = |t: wgpu::DeviceType| match t {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    };
    out.sort_by_key(|(info, _)| rank(info.device_type));
    out
}
