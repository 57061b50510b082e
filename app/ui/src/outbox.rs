use std::path::PathBuf;

use voco_volume::Recipe;

use crate::document::SaveLabelsAs;
use crate::labelling::Ask;
use crate::{FinetuneSetup, PreflightAsked, TrainingSetup, View3dRequest, VolumeId};

/// What the user asks for that a panel cannot do itself.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// Ask for files, then open them.
    OpenDialog,
    /// Ask for a label map of the active volume.
    OpenLabelsDialog,
    /// Ask for a label map to compare that of the active volume with.
    OpenReferenceDialog,
    /// Compare the label map of a volume with the one before its last edit.
    CompareWithBefore(VolumeId),
    /// Save the label map of a volume where it was saved before, or show the window that asks where.
    SaveLabelsDialog(VolumeId),
    /// Save it as the window says.
    SaveLabels(Box<SaveLabelsAs>),
    /// Ask the system's dialog for the file.
    BrowseSaveLabels(VolumeId),
    /// Ask for a file, and save the image of a volume there.
    SaveImageDialog(VolumeId),
    /// Close it.
    CloseReference(VolumeId),
    /// Measure the agreement of label map and reference.
    Compare(VolumeId),
    /// Ask for a folder of DICOM images, then open it.
    OpenFolderDialog,
    /// Open these files and folders.
    Open(Vec<PathBuf>),
    /// Open these of the series shown to choose from.
    OpenSeries(Vec<usize>),
    /// Open none of them.
    CloseSeriesChoice,
    /// Bring the labels of a volume onto its grid.
    ResampleLabels(VolumeId),
    /// Open the sample that comes with the program.
    OpenSample,
    /// Stop opening.
    CancelLoading(u64),
    /// Close a volume; if something would be lost with it, ask first.
    Close(VolumeId),
    /// Close a volume, or else the program, whatever is lost with it.
    CloseAnyway(Option<VolumeId>),
    /// Find the recipe's frame of the active volume, to draw the grid of base crops.
    FindPositionFrame {
        /// Which volume.
        volume: VolumeId,
        /// By which recipe.
        recipe: Recipe,
        /// Seed of the window and the random crops.
        seed: u64,
    },
    /// Ask for the folder to train on.
    TrainingFolderDialog,
    /// Ask for the folder of the run.
    RunFolderDialog,
    /// Ask for the folder of labelled volumes of a pre-training.
    LabelledFolderDialog,
    /// Ask for a list of them.
    LabelledListDialog,
    /// Ask for the weights that a pre-training begins with.
    TrainingInitDialog,
    /// Ask for the folder of volumes to fine-tune on.
    FinetuneFolderDialog,
    /// Ask for a list of volumes to fine-tune on.
    FinetuneListDialog,
    /// Ask for the weights to begin with.
    FinetuneInitDialog,
    /// Ask for the folder of the fine-tuning run.
    FinetuneRunDialog,
    /// Look at the data of a run, without starting it.
    Preflight(PreflightAsked),
    /// Begin fine-tuning.
    StartFinetune(Box<FinetuneSetup>),
    /// Hold it.
    PauseFinetune,
    /// Go on.
    ResumeFinetune,
    /// Save and end it.
    StopFinetune,
    /// Ask for the weights to segment with.
    CheckpointDialog,
    /// Segment with these weights or with the best of this run.
    UseCheckpoint(PathBuf),
    /// Segment a volume.
    Segment(VolumeId),
    /// Stop segmenting.
    StopSegmenting,
    /// Make an empty label map for a volume, or find the one that was begun.
    NewLabels(VolumeId),
    /// Add a segment to the label map of a volume, and work on it.
    NewSegment(VolumeId),
    /// Ask an algorithm about the labels of a volume; what it proposes is shown until it is taken.
    Propose(VolumeId, Box<Ask>),
    /// The same, with what the network that is chosen for segmentation says.
    ProposeWithNetwork(VolumeId, Box<Ask>),
    /// Stop what an algorithm is looking for.
    StopProposing,
    /// Count the voxels and values of each segment.
    LabelStatistics(VolumeId),
    /// Ask for a file, and write the statistics there as CSV.
    ExportStatistics(VolumeId),
    /// Ask for a file, and write the audit trail of the labels there.
    ExportAudit(VolumeId),
    /// Ask for a table of labels (ITK-SNAP's, Slicer's or ours), and add its segments.
    LabelTableDialog(VolumeId),
    /// Open the image with everything outside (or inside) a segment blank.
    MaskImage {
        /// Which volume.
        volume: VolumeId,
        /// By which segment.
        segment: voco_labelstore::SegmentId,
        /// Blank inside of it.
        inside: bool,
        /// The value there; none for the least of the image.
        fill: Option<f64>,
    },
    /// Read the list of runs.
    ListRuns,
    /// Ask for the folder that holds runs.
    RunsRootDialog,
    /// Read the curves of a run.
    ReadRun(PathBuf),
    /// Keep a note beside a run.
    SaveRunNote {
        /// The run's folder.
        folder: PathBuf,
        /// The whole note.
        note: String,
    },
    /// Put a run into the training panel, to go on with it.
    ContinueRun(PathBuf),
    /// Begin the next run with the weights of this one.
    StartFromRun(PathBuf),
    /// Begin pre-training.
    StartTraining(Box<TrainingSetup>),
    /// Hold it.
    PauseTraining,
    /// Go on.
    ResumeTraining,
    /// Save and end it.
    StopTraining,
    /// Save now.
    SaveTraining,
    /// The volume whose crops are being predicted: show it.
    ShowTrainingVolume(usize),
    /// Show the window with the published models.
    OpenModels,
    /// Look which published models are on this machine.
    ListModels,
    /// Fetch the published model of this name over the network.
    FetchModel(String),
    /// Ask for a folder that holds this model, and take it from there.
    ModelFolderDialog(String),
    /// Stop fetching it.
    CancelModel(String),
    /// Find the stored measurements of a volume.
    LoadMeasurements(VolumeId),
    /// Store them.
    SaveMeasurements(VolumeId),
    /// Ask for a file, and write the measurements of a volume there as CSV.
    ExportMeasurements(VolumeId),
    /// Ask for a file, and write the measurements of a volume there as a DICOM structured report.
    ExportReport(VolumeId),
    /// Read the volume of a time series that was asked for, and those after it.
    ReadTimes(VolumeId),
    /// Take a picture of the views, then ask where to write it.
    TakePicture,
    /// Something for the 3D view.
    View3d(View3dRequest),
    /// End the program.
    Quit,
}

/// Requests of one frame, carried out after it.
#[derive(Debug, Default)]
pub struct Outbox(Vec<Request>);

impl Outbox {
    /// Asks.
    pub fn ask(&mut self, request: Request) {
        self.0.push(request);
    }

    /// All requests, oldest first.
    pub fn take(&mut self) -> Vec<Request> {
        std::mem::take(&mut self.0)
    }

    /// True if nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
