"""The scale `desk`: one night on two CPU cores; docs/desk.md gives the reasons."""

from stripe.reproduce.paper.scale import Rule, Scale

#: Tables that vary one setting of one network have shorter trainings.
_VARIED = r"(delta|psi|psi_init)=.*|(constant|random)\(.*|with(out)? ASR"
#: Networks whose images cost two to three times as much as with ResNet20.
_SLOW = "mobilenet|shufflenetv2|repvgg_a0"
_ATTENTION = "SE|IE|SRM|SPA"

DESK = Scale(
    name="desk",
    words="ResNet20 and other small networks, 8 epochs of fashion-mini, or of photo-patches in the "
    "place of STL10; 3 epochs of 5,000 images in Tables 4, 6, 7, 8, 13 and 14, and 3 epochs of "
    "MobileNet, ShuffleNetV2 and RepVGG; ResNet83 (6 epochs) and ResNet164 (4) where gates are "
    "recorded",
    seeds=5,
    measured_seeds=3,
    n_images=500,
    rounds=15,
    timed_images=16,
    painting={
        **{"steps": 250, "size": 128, "width": 16, "features": "random:16", "workers": 0},
        **{"style_weight": 2.0, "variation_weight": 0.2, "precision": "fp32"},
    },
    data={
        **dict.fromkeys(("cifar10", "cifar100", "imagenet"), "fashion-mini"),
        "stl10": "photo-patches",
    },
    networks={
        **dict.fromkeys(("resnet83", "resnet164", "resnet34", "resnet50", "resnet101"), "resnet20"),
        **{name: name for name in ("mobilenet", "shufflenetv2", "repvgg_a0")},
        **{
            f"resnet{depth}_{kind}": f"resnet8_{kind}"
            for depth in (56, 110, 164)
            for kind in ("acnet", "basic")
        },
    },
    deep={"resnet83": "resnet83", "resnet164": "resnet164"},
    fields={
        **{"optimizer": "sgd", "lr": 0.1, "weight_decay": 5e-4, "schedule": "cosine"},
        **{"warmup": 0.05, "padding": 2, "batch_size": 32, "epochs": 8, "precision": "bf16"},
    },
    # Rounded to bfloat16, gates that differ by less than 0.002 would be equal.
    watched={"precision": "fp32"},
    rules=(
        # A cosine has no decays; with equal ones, networks of several tables are one run.
        Rule(setting="(?!schedule=steps).*", fields={"decay_at": (0.5, 0.75), "gamma": 0.1}),
        Rule(setting=_VARIED, fields={"epochs": 3, "limit": 5000}),
        Rule(backbone=_SLOW, fields={"epochs": 3}, seeds=3),
        Rule(backbone=_SLOW, dataset="stl10", left_out=True),
        # Gates replaced by constants: on ResNet20 and fashion-mini alone.
        Rule(backbone=_SLOW, method=_ATTENTION, left_out=True),
        Rule(dataset="stl10", method=_ATTENTION, setting="", left_out=True),
        # Where gates are recorded.
        Rule(backbone="resnet83", setting="schedule=.*", fields={"epochs": 6}),
        Rule(backbone="resnet164", setting="schedule=.*", fields={"epochs": 4}),
    ),
)
