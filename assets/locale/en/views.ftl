# Texts of the views and of the window around them.
view-axial = Axial
view-coronal = Coronal
view-sagittal = Sagittal
view-3d = 3D
view-name = { $view } view
view-name-compared = { $view } view, compared
view-oblique = Oblique
view-inverted = Inverted
view-warnings = { $count ->
    [one] ! { $count } note on the file
   *[other] ! { $count } notes on the file
  }
view-reduced = Shown reduced: { $shown } of { $full } (graphics memory)

opening = Opening { $name }…
empty-drop = Drop a CT or MR volume here
empty-formats = NIfTI, DICOM files and folders, NRRD, MetaImage, OME-Zarr
empty-open = Open files…
empty-folder = Open a DICOM folder…
empty-sample = Open the sample CT
drop-files = Drop to open { $count ->
    [one] { $count } file
   *[other] { $count } files
  }
compare-empty = Open a second volume to compare with

status-voxel = voxel { $voxel }
status-outside = outside the volume
status-adapter = Graphics adapter
status-dismiss = Dismiss

recent-files = Recent files
palette-button = Search
palette-title = Commands
palette-hint = What do you want to do?
palette-nothing = Nothing is called like that.

sheet-title = Mouse and keys
sheet-scheme = Mouse and keys for
sheet-search = Search
sheet-reset = Reset changes
sheet-reset-tip = All keys and buttons as the scheme has them
sheet-how = Click a key to change it. All buttons of the mouse can be changed, too.
sheet-press = Press the new key now. Esc leaves it as it is, Backspace takes it away.
sheet-next-key = press a key
sheet-change = Change the key of { $command }
sheet-change-tip = Change this key
sheet-undo-change = As the scheme has it
sheet-mouse = Mouse on slices
sheet-foot = Pictures are in radiological convention: the patient's right is at the left. For research only, not for diagnosis.

slab-thin = One slice
slab-max = MIP
slab-min = MinIP
slab-mean = Mean

hint-second-point = Click or drag to the second point. Esc cancels.
hint-angle-corner = Click the corner of the angle. Esc cancels.
hint-angle-end = Click the end of the second arm. Esc cancels.
hint-cobb-second = Drag the second line. Esc cancels.
hint-freehand = Let go to close the outline.

preferences-title = Preferences
preferences-look = Look
look-dark = Dark
look-light = Light
preferences-scale = Size of everything
preferences-level = A higher level by dragging
level-up = up
level-down = down
preferences-left = The patient's left is
left-radiological = on the right (radiological)
left-neurological = on the left (neurological)
view-neurological = Neurological: left is left
preferences-cine = Cine
per-second = { " " }slices/s
preferences-hang = Lay out new volumes by body part
preferences-hang-tip = Layout, window and 3D preset of the first hanging protocol that fits
preferences-hide-tip = Names of files are replaced by numbers on the screen and in tables
preferences-keys = Mouse and keys…
presets-title = Window presets
presets-how = The first nine have the keys 1 to 9.
presets-add = Add
presets-new = New window
presets-reset = As delivered
presets-up = Move up
presets-remove = Remove
