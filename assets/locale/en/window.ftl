# What the program tells in the window, titles of the system's dialogs, and what it calls things that have no name.

# Notices.
tell-no-gpu = There is no GPU driver: pictures are drawn by the processor and turn slowly.
tell-gpu-lost = The graphics driver was reset, and pictures stand still. What is computed goes on and can be saved; start the program again to see.
tell-gpu-error = The graphics driver reported an error: pictures may be wrong; start the program again.
tell-program-error = An error in the program stopped this task; please report it.
tell-too-much-opened = Too much is being opened at once; try again in a moment.
tell-too-much-fetched = Too much is being fetched at once; try again in a moment.
tell-choose-data = Choose the data first.
tell-choose-run-folder = Choose a folder for the run first.
tell-no-volumes = There are no volumes in that folder (NIfTI, NRRD or MetaImage).
tell-recipe-empty = The recipe has no group of volumes.
tell-folder-unread = The folder cannot be read ({ $why }); choose another.
tell-log-unread = { $name }: the log cannot be read ({ $why }).
tell-note-not-saved = The note cannot be saved ({ $why }); free disk space or check the folder's rights.
tell-presets-unread = Your 3D presets cannot be read ({ $why }).
tell-measurements-unread = The stored measurements of this case cannot be read ({ $why }); they are left as they are.
tell-picture-failed = The picture cannot be made; make the window smaller and try again.
tell-write-failed = { $what } cannot be written ({ $why }); see whether there is room on the disk.
tell-wrote = Wrote { $name }.
tell-film-not-written = { $name }: it cannot be written ({ $why }); choose another place.
tell-film-stopped = Writing { $name } was stopped.
tell-gif-too-large = { $name }: a GIF has at most 65535 pixels along a side.
tell-too-many-surfaces = More than { $most } labels are too many for surfaces in 3D.
tell-grid-not-drawn = The grid cannot be drawn: { $problem }.
tell-times-grids = The volumes of this series lie on different grids; only the first can be shown.
tell-times-unread = The other volumes of this file cannot be read; open it again.
tell-no-dicom = { $name }: it holds no DICOM images; open a file of another format, or the folder of the images.
tell-folder-holds-labels = The folder also holds labels ({ $name }); open that file over its images.
tell-folder-holds-label-files = The folder also holds { $count } files of labels; open them over their images.
tell-report-saved = Saved { $name } for the patient and study of the images.
tell-report-saved-alone = Saved { $name }. The image is no DICOM, so the report has new identifiers and names no patient.

# Notices about labels.
tell-compare-failed = The label maps cannot be compared: { $problem }.
tell-labels-failed = The labels: { $problem }.
tell-labels-not-editable = The labels cannot be edited ({ $why }).
tell-labels-not-opened = The labels cannot be opened: { $problem }.
tell-labels-not-shown = The labels cannot be shown: { $problem }.
tell-labels-not-done = The labels are still being found; save them when that is done.
tell-labels-in-use = The labels of this image are being edited in another window; changes here are not kept.
tell-labels-same = { $name } holds the labels that are here already; nothing was changed.
tell-no-labels-in-it = { $name }: it holds no labels.
tell-other-grid = { $name }: it lies on another grid: { $what }; it is shown at its own place.
tell-work-found-again = Your work on the labels of this image is here again.
tell-work-instead-of-file = Your work on these labels that was in no file is here again; open { $name } once more to see what the file holds.
tell-work-and-file = Your work on the labels of this image is here again; { $name } were added to it on a layer of their own.
tell-work-damaged = Your work on these labels was damaged on the disk: { $records } changes were read, { $kilobytes } kB after them were not. They are kept in { $place }.
tell-work-torn = The last change of these labels was not whole on the disk and is missing; all before it are here.
tell-work-set-aside = Earlier work on these labels cannot be read ({ $problem }) and was moved to { $place }; new work is kept from now on.
work-of-other-image = it belongs to another image
tell-unsaved-labels = { $count ->
    [one] Labels of one image are in no file
   *[other] Labels of { $count } images are in no file
}; they are kept, and opening the image brings them back.
tell-work-lost = Earlier work on these labels was not found again: { $problem }.
tell-segments-not-counted = The segments cannot be counted: { $problem }.
tell-prediction-beside = What the network found is on a layer of its own; your labels are unchanged and hidden below it. Undo takes it away.
tell-prediction-dropped = The segmentation did not come to its end; the labels are as they were before.
tell-prediction-dropped-empty = The segmentation did not come to its end; what had come of it is dropped.
tell-segments-already = The last segmentation is not done yet; wait for it, or stop it.
tell-prediction-failed = The prediction: { $problem }.
tell-image-not-masked = The image: { $problem }.
tell-region-failed = The region: { $problem }.
tell-mark-first = Mark something first.
tell-mark-inside = Mark something inside of the image.
tell-prior-no-checkpoint = The network was left out: choose a checkpoint under Segment.
tell-prior-no-classes = The network was left out: its checkpoint does not say what its classes are.
tell-prior-no-class = The network was left out: it has no class “{ $name }”; choose its class in the settings of the tool.
tell-prior-failed = The network was left out: { $problem }.
tell-cancelled = Cancelled.
tell-closes-after-files = Files are still being written; the program closes when that is done.
tell-saved = Saved { $name }.
tell-is-dicom = { $name } is a DICOM file, which is never replaced; choose another name.
tell-name-taken = { $name } exists already; choose it in the dialog to replace it, or another name.
tell-holds-all-volumes = { $name } holds all volumes of this series, and only the one on show would be left; choose another name.
tell-more-warnings = { $first } { $count ->
    [one] One more note stands
   *[other] { $count } more notes stand
  } under Volumes on the left.
tell-saved-with-names = Saved { $name } with its names beside.
tell-saved-overlapping = Saved { $name } with its names beside; segments overlap, so it holds { $count } volumes.
tell-saved-renumbered = { $count ->
    [one] One segment has the value of another on a layer below and got a free number; the names say which.
   *[other] { $count } segments have the values of others on layers below and got free numbers; the names say which.
}
tell-saved-surfaces = { $count ->
    [one] Saved one surface.
   *[other] Saved { $count } surfaces.
}
tell-is-open-image = { $name } is an open image; choose another name for its labels.
tell-no-dicom-series = { $name }: the image did not come as DICOM; save the labels as NIfTI or .seg.nrrd.
tell-no-backup = { $name }: a backup of it cannot be made ({ $why }); free disk space first.
tell-names-not-written = { $name }: the names cannot be written ({ $why }); free disk space or choose another folder.
tell-no-visible-segment = { $name }: no visible segment has voxels; show one first.
tell-table-too-large = { $name } is too large for a table of labels; choose a text file.

# What is written, as the subject of "tell-write-failed".
written-picture = The picture
written-preferences = The preferences
written-measurements = The measurements
written-table = The table
written-statistics = The statistics
written-presets = The 3D presets

# The system's dialogs for files.
dialog-open-volumes = Open volumes
dialog-open-labels = Open a label map
dialog-open-reference = Open reference labels
dialog-save-labels = Save labels
dialog-save-image = Save the image
dialog-labelled-list = List of volumes with label maps
dialog-weights = Weights
dialog-picture = Picture of the views
dialog-label-table = Table of labels
dialog-statistics-csv = Statistics as CSV
dialog-audit = Audit trail
dialog-measurements-csv = Measurements as CSV
dialog-report = Measurements as DICOM report
dialog-dicom-folder = Folder of DICOM images
dialog-run-folder = Folder for the run
dialog-runs-folder = Folder that holds runs
dialog-labelled-folder = Folder of volumes with label maps
dialog-model-folder = Folder that holds { $file }
dialog-training-folder = Folder of volumes to train on
dialog-volumes = Volumes
dialog-all-files = All files
dialog-json-list = JSON list
dialog-tables = Tables
dialog-csv-json-lines = CSV, JSON lines

# What things are called that have no name of their own.
sample-ct = Sample CT (abdomen)
sample-labels = Sample labels
folder-unnamed = folder
volume-details = { $dims } voxels of { $spacing } mm, { $type }
volume-masked = { $name } (masked)
labels-unnamed = Labels
label-numbered = Label { $number }
segment-numbered = Segment { $number }
prediction = Prediction
prediction-of = Prediction ({ $checkpoint })
names-from-nowhere = numbers only
names-from-itself = the file itself
names-from-beside = file beside it
names-from-your-work = your work
names-from-table = a table
names-from-labels = the labels
names-from-checkpoint = the checkpoint

# Fetching of models.
fetch-waiting = waiting
fetch-asking = asking the hub
fetch-fetching = fetching
fetch-copying = copying
fetch-checking = checking
fetch-progress = { $what }, { $done } of { $total }

# A look at data, and a checkpoint's card.
look-label-missing = { $name }: the label map is missing
look-image-missing = { $name }: there is no image in the list
card-no-classes = the file does not say what its classes are
card-unknown = unknown
look-no-volumes = There are no volumes in it (.nii, .nii.gz or .hdr).
look-none-usable = None of the volumes can be used.
look-too-little-memory = The run needs more memory than is free; choose a smaller network or fewer crops.
look-too-little-disk = The preprocessed volumes do not fit on the disk.

# How jobs ended, and what runs are.
segment-panel-done = Segmented in { $seconds } s.
segment-panel-stopped = Stopped; what was found so far is kept.
run-finished = Finished.
run-stopped-saved = Stopped; saved at step { $step }.
run-stopped-early = Stopped before anything was learned.
runs-kind-pretrain = pre-training
runs-kind-labelled = with labels
runs-kind-finetune = fine-tuning
runs-own-folder = the program's folder
segment-panel-volume-on = { $name }, on { $device }
place-crop = crop { $number }

# What the user's files of preferences, presets and measurements lack.
tell-preferences-not-toml = The preferences file is not valid TOML; the defaults are used until something is changed.
tell-preference-not-usable = Preferences: the value of '{ $name }' cannot be used; its default is.
tell-presets-not-valid = The file of 3D presets is not valid: { $problem }.
tell-presets-no-list = The file of 3D presets has no list named presets_3d.
tell-measurements-form = The stored measurements of this case cannot be read; they are left as they are.
tell-measurements-later = The measurements of this case were stored by a later version (form { $found }); update the program to see them.
tell-measurements-senseless = The stored measurements of this case hold senseless numbers; they are left as they are.
