"""Labels a scan in the real window with mouse and key events, and compares what is saved, undone, done again and reopened.

Needs Xvfb, xdotool, ImageMagick's import, a Vulkan driver (lavapipe does), nibabel and numpy:

    python tests/compare/label_in_window.py path/to/voco scan.nii.gz [folder for pictures]

Paints, erases, draws a polygon, takes a threshold, grows from seeds, fills between slices and smooths; saves; takes everything back;
does everything again; saves; kills the program; opens it again. All label maps must be the same, and that after undoing must be empty.
At the end a copy of the scan is painted, stroke by stroke, and the program is killed in the middle of a stroke: all strokes but those of
the last second must come back, and the program must say that there is such work.
Places are those of a window of 1600 x 1000 points with one axial view; commands are typed into the palette.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nibabel
import numpy as np

DISPLAY = ":78"
# On a slow machine a frame with a 3D view takes a second.
PACE = float(os.environ.get("PACE", "1"))


class Window:
    def __init__(self, voco, home, pictures):
        self.voco, self.home, self.pictures = voco, home, pictures
        self.environment = {
            **os.environ, "DISPLAY": DISPLAY, "HOME": str(home), "XDG_RUNTIME_DIR": str(home), "VOCO_LABELS_DIR": str(home / "labels"),
        }
        self.process = None

    def start(self, *files):
        self.process = subprocess.Popen(
            [self.voco, *map(str, files)], env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.time() + 60
        while not (found := self.tool("search", "--onlyvisible", "--name", "VoCo", check=False)):
            assert time.time() < deadline, "the window did not appear"
            time.sleep(0.5)
        window = found.split()[0]
        self.tool("windowmove", window, "0", "0", "windowsize", window, "1600", "1000")
        self.tool("windowfocus", window, check=False)
        time.sleep(6 * PACE)

    def kill(self):
        self.process.kill()
        self.process.wait()
        time.sleep(1)

    def tool(self, *arguments, check=True):
        done = subprocess.run(["xdotool", *arguments], env=self.environment, capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout.strip()

    def key(self, *keys, wait=0.8):
        self.tool("key", "--clearmodifiers", *keys)
        time.sleep(wait * PACE)

    def command(self, name, wait=1.0):
        self.key("ctrl+k", wait=0.7)
        self.tool("type", "--delay", "30", name)
        time.sleep(0.6 * PACE)
        self.key("Return", wait=wait)

    def click(self, x, y, wait=0.8):
        self.tool("mousemove", str(x), str(y))
        time.sleep(0.2)
        self.tool("click", "1")
        time.sleep(wait * PACE)

    def drag(self, start, end, button="1", wait=1.0):
        self.tool("mousemove", *map(str, start))
        time.sleep(0.2)
        self.tool("mousedown", button)
        for n in range(1, 9):
            self.tool("mousemove", *(str(round(a + (b - a) * n / 8)) for a, b in zip(start, end)))
            time.sleep(0.06)
        self.tool("mouseup", button)
        time.sleep(wait * PACE)

    def press_and_move(self, start, end):
        """A stroke that is not let go."""
        self.tool("mousemove", *map(str, start))
        time.sleep(0.2)
        self.tool("mousedown", "1")
        self.tool("mousemove", *map(str, end))
        time.sleep(0.2)

    def picture(self, name):
        if self.pictures:
            subprocess.run(["import", "-window", "root", str(self.pictures / name)], env=self.environment, check=True)

    def save(self, path):
        """Ctrl+S: the window asks for the path the first time."""
        before = path.stat().st_mtime_ns if path.exists() else None
        self.key("ctrl+s", wait=1.0)
        if before is None:
            self.picture("save.png")
            self.key("Return", wait=1.0)
        deadline = time.time() + 60
        while not path.exists() or path.stat().st_mtime_ns == before:
            assert time.time() < deadline, "nothing was saved"
            time.sleep(0.3)
        time.sleep(0.5)
        return np.asanyarray(nibabel.load(path).dataobj).copy()


def label(window):
    window.command("one view")
    window.command("brush", wait=3)
    window.key("6")
    window.drag((700, 400), (800, 430))
    window.drag((720, 430), (790, 460))
    window.drag((730, 420), (745, 425), button="3")
    window.command("polygon")
    for x, y in [(560, 560), (640, 560), (640, 640), (560, 640)]:
        window.click(x, y)
    window.key("Return")
    window.key("Return")
    window.picture("polygon.png")
    window.command("new segment", wait=1.5)
    window.command("threshold")
    window.key("shift+Return", wait=6)
    window.picture("threshold.png")
    window.key("Return", wait=3)
    # Seeds of two more segments on a locked threshold.
    window.command("lock or unlock", wait=1.2)
    window.command("new segment", wait=1.5)
    window.command("brush", wait=1)
    window.drag((560, 330), (600, 420))
    window.command("new segment", wait=1.5)
    window.drag((450, 620), (520, 700))
    window.command("grow from seeds")
    window.key("shift+Return", wait=12)
    window.picture("seeds.png")
    window.key("Return", wait=4)
    # A disc on two slices, and what lies between.
    window.command("new segment", wait=1.5)
    window.drag((900, 360), (930, 380))
    for _ in range(4):
        window.key("Up", wait=0.6)
    window.drag((900, 360), (930, 380))
    window.command("fill between")
    window.key("shift+Return", wait=4)
    window.picture("between.png")
    window.key("Return", wait=2)
    window.command("smooth")
    window.key("shift+Return", wait=5)
    window.key("Return", wait=3)
    window.picture("done.png")


def kill_while_painting(window, scan, home):
    """Strokes that do not touch one another on a scan that nobody has labelled; gives how many parts came back, and how many had to."""
    # Other voxels: labels are found by the content of their image.
    original = nibabel.load(scan)
    values = np.asanyarray(original.dataobj).copy()
    values.flat[0] = values.flat[0] + 1
    image, saved = home / "painted.nii.gz", home / "painted_label.nii.gz"
    nibabel.save(nibabel.Nifti1Image(values, original.affine, original.header), image)
    window.start(image)
    window.command("one view")
    window.command("brush", wait=3)
    # Thin enough that strokes do not touch.
    window.key(*["bracketleft"] * 4)
    strokes = []
    for n in range(8):
        y = 250 + 60 * n
        window.drag((620, y), (660, y), wait=0)
        strokes.append(time.time())
    # The last one is in the hand and was never let go.
    window.press_and_move((800, 300), (840, 300))
    killed = time.time()
    window.kill()
    window.tool("mouseup", "1")
    # The frames that commit a stroke take their time, too.
    least = sum(killed - at > 1 + PACE for at in strokes)
    # The start without an image: a notice says that one image has labels in no file.
    window.start()
    window.picture("told_at_start.png")
    window.kill()
    window.start(image)
    window.picture("painted_recovered.png")
    found = window.save(saved)
    return count_parts(found != 0), least, len(strokes)


def count_parts(mask):
    """Connected parts by faces, without scipy."""
    left, parts = set(map(tuple, np.argwhere(mask))), 0
    while left:
        parts += 1
        border = [left.pop()]
        while border:
            i, j, k = border.pop()
            for at in ((i - 1, j, k), (i + 1, j, k), (i, j - 1, k), (i, j + 1, k), (i, j, k - 1), (i, j, k + 1)):
                if at in left:
                    left.remove(at)
                    border.append(at)
    return parts


def main():
    voco, scan = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    pictures = Path(sys.argv[3]).resolve() if len(sys.argv) > 3 else None
    if pictures:
        pictures.mkdir(parents=True, exist_ok=True)
    server = subprocess.Popen(["Xvfb", DISPLAY, "-screen", "0", "1600x1000x24"], stderr=subprocess.DEVNULL)
    time.sleep(1)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        image = home / "scan.nii.gz"
        shutil.copy(scan, image)
        saved = home / "scan_label.nii.gz"
        window = Window(voco, home, pictures)
        try:
            window.start(image)
            label(window)
            first = window.save(saved)
            values, counts = np.unique(first, return_counts=True)
            print("labels and voxels  ", dict(zip(values.tolist(), counts.tolist())))
            assert len(values) >= 6, "a step left nothing behind"
            window.key(*["ctrl+z"] * 60, wait=6)
            window.picture("undone.png")
            assert not window.save(saved).any(), "undoing everything leaves nothing"
            window.key(*["ctrl+shift+z"] * 60, wait=8)
            again = window.save(saved)
            print("undone and redone   differ in", int((first != again).sum()), "voxels")
            window.kill()
            window.start(image, saved)
            window.picture("reopened.png")
            # One more change that is saved nowhere, then kill -9: it comes back from the journal.
            window.command("one view")
            window.command("previous segment")
            window.command("brush", wait=2)
            window.drag((600, 250), (640, 260), wait=2.5)
            window.kill()
            window.start(image)
            window.picture("recovered.png")
            window.key("ctrl+z", wait=1.5)
            reopened = window.save(saved) if not saved.unlink() else None
            print("reopened            differ in", int((first != reopened).sum()), "voxels")
            assert (first == again).all() and (first == reopened).all()
            same = np.allclose(nibabel.load(saved).affine, nibabel.load(image).affine)
            print("affine of the image ", "kept" if same else "lost")
            assert same
            window.kill()
            parts, least, most = kill_while_painting(window, image, home)
            print("killed while painting", parts, "of", most, "strokes came back; at least", least, "had to")
            assert least > 0 and least <= parts <= most
        finally:
            if window.process:
                window.process.kill()
            server.kill()


main()
