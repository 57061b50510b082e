//! The window without the program around it: the shell with the embedded sample and its labels.

use std::path::Path;
use std::sync::Arc;

use voco_io::Control;
use voco_label::LabelVolume;
use voco_labelstore::{Document, LabelWorker, PresetEntry};
use voco_render::{LabelTexture, PreparedVolume, RenderContext, UploadLimits, VolumeTexture};
use voco_ui::labelling::{DisplayIds, LabelWork};
use voco_ui::{OpenVolume, Outbox, Session, Shell, Told, ViewSettings, VolumeId, Window};
use voco_volume::{Stats, Volume};

/// What the window draws, and what it asks for.
#[derive(Default)]
pub struct Stage {
    /// Menu, panels, views.
    pub shell: Shell,
    /// What is open.
    pub session: Session,
    /// How it is looked at.
    pub settings: ViewSettings,
    /// What was asked for.
    pub outbox: Outbox,
}

impl Stage {
    /// Draws a frame.
    pub fn show(ui: &mut egui::Ui, stage: &mut Self) {
        stage.shell.show(ui, &mut stage.session, &mut stage.settings, &mut stage.outbox);
    }

    /// The sample with its labels, on show.
    pub fn sample(render: &RenderContext) -> Self {
        let mut stage = Self::default();
        stage.open(render, 1);
        stage
    }

    /// Opens the sample under a number, and shows it.
    ///
    /// # Panics
    /// If the graphics memory has no room for it.
    pub fn open(&mut self, render: &RenderContext, number: u64) {
        let volume = read("ts_abdomen.nii.gz");
        let stats = Stats::of(&volume);
        let prepared = PreparedVolume::new(&volume, &UploadLimits::of(render));
        let open = OpenVolume {
            id: VolumeId(number),
            name: format!("Sample CT {number}"),
            path: None,
            stats,
            warnings: Vec::new(),
            window: Window::default_for(&stats),
            inverted: false,
            told: Told::default(),
            texture: Arc::new(VolumeTexture::upload(render, &prepared).expect("room for the sample")),
            labels: Some(labels(render, &volume)),
            incoming: None,
            label_stats: None,
            reference: None,
            position: None,
            volume,
        };
        self.settings.reset_for(&open);
        self.session.active = Some(open.id);
        self.session.volumes.push(open);
    }

    /// The labels of the volume on show.
    ///
    /// # Panics
    /// If there is none.
    pub fn labels(&mut self) -> &mut LabelWork {
        self.session.active_mut().and_then(|v| v.labels.as_mut()).expect("labels on show")
    }
}

fn labels(render: &RenderContext, image: &Volume) -> LabelWork {
    let volume = read("ts_abdomen_label.nii.gz");
    let names = voco_io::label_names(include_str!("../../assets/labels/totalsegmentator_total.json"));
    let names = names.expect("a table of names");
    let map = voco_label::LabelMap::from_volume(&volume).expect("labels");
    let bricks = LabelVolume::from_values(&map.values().to_u32(), volume.dims()).expect("labels");
    let named = |(id, _): (u16, u64)| names.get(&id).map(|name| PresetEntry::new(id, name));
    let entries = bricks.counts().into_iter().filter_map(named).collect();
    let mut document = Document::new(*image.geometry(), Some(image.clone())).expect("a document");
    document.replace_with("Open", "import", &[(bricks, entries)]).expect("opened");
    let table = DisplayIds::of(&document).table(&document);
    let texture = Arc::new(LabelTexture::upload(render, &volume, &table).expect("room for the labels"));
    let (worker, first) = LabelWorker::start(document, None, Arc::new(|| {})).expect("a thread");
    LabelWork::new("Sample labels".into(), "TotalSegmentator CT".into(), worker, first, texture)
}

fn read(name: &str) -> Volume {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/samples");
    voco_io::open(&samples.join(name), Control::NONE).expect("the sample is readable").volume
}
