"""An example for every command, printed at the end of its help."""

from cyclopts import App

#: The options of an example, by the words of the command.
EXAMPLES = {
    "ablate": "--model timm:seresnet50 --pretrained --images photos --interventions mean shuffle",
    "audit": "--model timm:seresnet50 --pretrained --images photos --out report.html",
    "bench fps": "--backbone resnet164 --attention se --attention eca",
    "bound": "--model runs/train --limit 64 --out bound.csv",
    "cam": "--model timm:seresnet50 --pretrained --images photos --layer layer4.2 --out cam.pdf",
    "card": "runs/train --license CC-BY-4.0 --creator Ada --out card",
    "constants": "runs/train --out runs/constants",
    "demo": "--epochs 7",
    "explore": "runs/train/recording --out page.html",
    "findings": "--scale desk --out findings.md",
    "freeze": "--model runs/train --recording runs/train/recording --out frozen.safetensors",
    "gallery": "--out figures/gallery",
    "gates": "--model timm:seresnet50",
    "noise": "--model runs/train --grid random --figure noise.pdf",
    "plot ablation": "ablation.csv --measure kl --out ablation.pdf",
    "plot batch-sensitivity": "runs/style/by_batch_size.csv --out batch.pdf",
    "plot channel-std": "runs/train/recording --out spread.pdf",
    "plot class-information": "runs/train/recording --out classes.pdf",
    "plot compare": "runs/a runs/b --names SE ECA --out compare.pdf",
    "plot effective-rank": "runs/train/recording --out rank.pdf",
    "plot epoch-difference": "runs/train/recording --n-images 3 --out steps.pdf",
    "plot epoch-similarity": "runs/train/recording --out epochs.pdf",
    "plot freezing": "audit.json --out freezing.pdf",
    "plot gate-similarity": "runs/train/recording --out gates.pdf",
    "plot gate-spread": "runs/train/recording --out depth.pdf",
    "plot mean-cam": "cam.npz --out cam.pdf",
    "plot noise-bound": "bound.csv --out bound.pdf",
    "plot noise-robustness": "noise.csv --out noise.pdf",
    "plot overview": "runs/train/recording --gate layer3.1.bn3.gate --out overview.pdf",
    "plot saturation": "runs/train/recording --low 0.01 --out saturation.pdf",
    "plot sensitivity": "costs.csv --out costs.pdf",
    "plot spatial-attention": "runs/spatial --n-images 4 --out maps.pdf",
    "plot stripes": "runs/train/recording --n-images 20 --image-order label --out stripes.pdf",
    "plot style-grid": "runs/style/pictures --out grid.pdf",
    "plot tradeoff": "networks.csv --out tradeoff.pdf",
    "plot variance-components": "runs/train/recording --out variance.pdf",
    "record": "--model timm:seresnet50 --pretrained --images photos --out runs/photos",
    "reproduce": "table8 --scale desk --workers 2",
    "sensitivity": "--model timm:seresnet50 --pretrained --images photos --figure costs.pdf",
    "stats class-information": "runs/train/recording --folds 10",
    "stats compare": "runs/a runs/b --names SE ECA --out differences.csv",
    "stats convergence": "runs/train/recording --tol 0.01",
    "stats effective-rank": "runs/train/recording --epoch 10",
    "stats epoch-similarity": "runs/train/recording --epoch 0 5 10",
    "stats gate-similarity": "runs/train/recording --out gates.csv",
    "stats index": "runs/train/recording",
    "stats moments": "runs/train/recording --epoch 10",
    "stats saturation": "runs/train/recording --low 0 --high 1",
    "stats variance-components": "runs/train/recording --json",
    "style apply": "runs/style photos --out stylised",
    "style compare": "--content photos --out runs/styles",
    "style demo": "--steps 250",
    "style train": "--variant bn+asr --content photos --out runs/style",
    "sweep status": "tables --scale desk",
    "sweep repeat": "table8 --scale desk --store runs/repeated",
    "train": "--recipe cifar100/resnet164 --attention se --record --out runs/se",
    "verify": "runs/train/recording",
}


def add_examples(app: App) -> None:
    """Print an example at the end of each command's help."""
    for name, options in EXAMPLES.items():
        command = app
        for word in name.split():
            command = command[word]
        command.help_epilogue = f"Example: {app.name[0]} {name} {options}"
