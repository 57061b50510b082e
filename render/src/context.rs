use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use crate::RenderError;

/// A wgpu device with what the renderer must know about it. Cheap to clone; clones share the device.
#[derive(Debug, Clone)]
pub struct RenderContext {
    /// Makes resources.
    pub device: wgpu::Device,
    /// Takes work.
    pub queue: wgpu::Queue,
    info: Arc<Info>,
    first_error: Arc<OnceLock<String>>,
    is_lost: Arc<AtomicBool>,
    deterministic: bool,
}

#[derive(Debug)]
struct Info {
    adapter_name: String,
    is_software: bool,
}

impl RenderContext {
    /// What to make a renderer for whose pictures are read back.
    pub const OFFSCREEN_FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;

    /// Around a device that somebody else (a window) made.
    pub fn from_wgpu(adapter: &wgpu::Adapter, device: wgpu::Device, queue: wgpu::Queue) -> Self {
        let info = adapter.get_info();
        let is_software = info.device_type == wgpu::DeviceType::Cpu;
        let first_error = Arc::new(OnceLock::new());
        let seen = first_error.clone();
        // wgpu's own handler panics. One bad call must not take the program down: the picture is wrong, and the first
        // error stays to be shown.
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            seen.get_or_init(|| error.to_string());
        }));
        let is_lost = Arc::new(AtomicBool::new(false));
        let lost = Arc::clone(&is_lost);
        device.set_device_lost_callback(move |reason, _message| {
            // Otherwise the program has put it away itself.
            lost.fetch_or(reason == wgpu::DeviceLostReason::Unknown, Ordering::Relaxed);
        });
        let info = Arc::new(Info { adapter_name: info.name, is_software });
        Self { device, queue, info, first_error, is_lost, deterministic: false }
    }

    /// A device of its own on the best adapter there is, software included.
    ///
    /// # Errors
    /// If there is no adapter, or it cannot be opened.
    pub fn headless() -> Result<Self, RenderError> {
        // OpenGL last: it looks for a display, and says so on standard error where there is none.
        let adapter = [wgpu::Backends::PRIMARY, wgpu::Backends::GL].into_iter().find_map(|backends| {
            let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
            descriptor.backends &= backends;
            let options = wgpu::RequestAdapterOptions {
                power_preference: wgpu::PowerPreference::HighPerformance,
                ..Default::default()
            };
            pollster::block_on(wgpu::Instance::new(descriptor).request_adapter(&options)).ok()
        });
        let adapter = adapter.ok_or(RenderError::NoAdapter)?;
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("voco headless"),
            required_limits: Self::wanted_limits(&adapter),
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor))
            .map_err(|e| RenderError::NoDevice { adapter: adapter.get_info().name, reason: e.to_string() })?;
        Ok(Self::from_wgpu(&adapter, device, queue))
    }

    /// What to ask `adapter` for: wgpu's defaults, with textures and buffers as large as it has them.
    pub fn wanted_limits(adapter: &wgpu::Adapter) -> wgpu::Limits {
        let has = adapter.limits();
        let max_buffer_size = has.max_buffer_size;
        let mut wanted = wgpu::Limits::default().or_worse_values_from(&has).using_resolution(has);
        wanted.max_buffer_size = max_buffer_size;
        wanted
    }

    /// The same device; with `true`, pictures have no jitter.
    #[must_use]
    pub fn with_deterministic(mut self, deterministic: bool) -> Self {
        self.deterministic = deterministic;
        self
    }

    /// True if pictures have no jitter.
    pub fn is_deterministic(&self) -> bool {
        self.deterministic
    }

    /// The adapter's name, as the driver gives it.
    pub fn adapter_name(&self) -> &str {
        &self.info.adapter_name
    }

    /// True if the adapter is a program on the CPU.
    pub fn is_software(&self) -> bool {
        self.info.is_software
    }

    /// True once the driver has taken the device away (a reset, a card that was pulled out): nothing is drawn from then on.
    pub fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Relaxed)
    }

    /// The first error of the device that no caller was there to take, if there was one.
    pub fn first_error(&self) -> Option<&str> {
        self.first_error.get().map(String::as_str)
    }

    /// Runs `make` and turns what the driver objects to into an error.
    pub(crate) fn checked<T>(
        &self,
        what: &'static str,
        num_bytes: u64,
        make: impl FnOnce() -> T,
    ) -> Result<T, RenderError> {
        let memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let validation = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let made = make();
        let refused = pollster::block_on(validation.pop());
        let too_much = pollster::block_on(memory.pop());
        if too_much.is_some() {
            return Err(RenderError::OutOfMemory { what, mib: num_bytes >> 20 });
        }
        match refused {
            Some(error) => Err(RenderError::Refused { what, reason: error.to_string() }),
            None => Ok(made),
        }
    }
}
