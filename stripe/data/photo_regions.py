"""The classes of photo-patches: photographs, and regions of them."""

from dataclasses import dataclass

#: Left, top, right and bottom in pixels; right and bottom are the first outside.
Box = tuple[int, int, int, int]
#: The least distance between training and test pixels: two blocks of 16 pixels, within which JPEG
#: mixes the pixels of a photograph.
GAP = 32


@dataclass(frozen=True)
class Region:
    """One class: a part of a photograph for training and another for testing.

    Parameters
    ----------
    name
        The class.
    file
        The photograph, as `packaged_photograph` takes it.
    train, test
        The parts, `GAP` pixels or more apart.
    """

    name: str
    file: str
    train: Box
    test: Box

    def box(self, split: str) -> Box:
        """Return the part of a split."""
        return self.train if split == "train" else self.test


#: Ten photographs in colour, two of which have two parts that differ, and eight in grey.
REGIONS = (
    Region("astronaut", "skimage/astronaut.png", (0, 0, 512, 330), (0, 362, 512, 512)),
    Region("cat", "skimage/chelsea.png", (150, 0, 451, 300), (0, 0, 118, 300)),
    Region("coffee", "skimage/coffee.png", (0, 0, 370, 400), (402, 0, 600, 400)),
    Region("galaxies", "skimage/hubble_deep_field.jpg", (0, 0, 600, 872), (632, 0, 1000, 872)),
    Region("tissue", "skimage/ihc.png", (0, 0, 330, 512), (362, 0, 512, 512)),
    Region("retina", "skimage/retina.jpg", (217, 217, 800, 1193), (832, 217, 1193, 1193)),
    Region("rocket", "skimage/rocket.jpg", (0, 0, 400, 427), (432, 0, 640, 427)),
    Region("pavilion", "sklearn/china.jpg", (240, 0, 640, 427), (0, 0, 208, 427)),
    Region("motorcycle", "skimage/motorcycle_left.png", (0, 210, 440, 500), (472, 210, 741, 500)),
    Region("garage", "skimage/motorcycle_left.png", (0, 0, 420, 178), (452, 0, 741, 178)),
    Region("petals", "sklearn/flower.jpg", (180, 90, 308, 350), (340, 110, 440, 340)),
    Region("leaves", "sklearn/flower.jpg", (0, 0, 148, 427), (480, 0, 640, 360)),
    Region("bricks", "skimage/brick.png", (0, 0, 330, 512), (362, 0, 512, 512)),
    Region("cameraman", "skimage/camera.png", (0, 0, 340, 512), (372, 0, 512, 512)),
    Region("coins", "skimage/coins.png", (0, 0, 240, 303), (272, 0, 384, 303)),
    Region("grass", "skimage/grass.png", (0, 0, 330, 512), (362, 0, 512, 512)),
    Region("gravel", "skimage/gravel.png", (0, 0, 330, 512), (362, 0, 512, 512)),
    Region("moon", "skimage/moon.png", (0, 0, 330, 512), (362, 0, 512, 512)),
    Region("print", "skimage/page.png", (144, 0, 384, 191), (0, 0, 112, 191)),
    Region("handwriting", "skimage/text.png", (0, 0, 280, 172), (312, 0, 448, 172)),
)
