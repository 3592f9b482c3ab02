"""What stands below the pictures of a comparison of norms."""

from stripe.style.drawing import _caption


def test_a_caption_has_the_two_numbers_of_the_claim() -> None:
    numbers = {
        "content": 0.2,
        "style": 0.05,
        "ssim": 0.561,
        "high_frequency": 0.7,
        "spread": 0.0295,
    }
    assert _caption({"variant": "bn", **numbers}) == "SSIM 0.56\nspread 0.029"
    assert _caption({"variant": "in", **numbers}) == "reference"
