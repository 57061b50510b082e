# Time series, reports, geometry.

slice-next-time = Next volume of the time series
slice-previous-time = Previous volume of the time series
slice-time-cine = Play or stop the time series
times-volume = Volume
times-back = Back
times-on = On
times-play = Play
times-stop = Stop
times-corner = Volume { $number } / { $count }
tool-export-report = Measurements as DICOM report…
measure-report = DICOM report…
measure-side = { $side }: { $name }
preferences-keep-windows = A CT opens in the window last used in its folder
preferences-keep-windows-tip = Folders are remembered as numbers, not by their names.
name-hidden = Name hidden
