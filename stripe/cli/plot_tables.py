"""Commands that draw the table of another command."""

from pathlib import Path
from typing import Literal

from stripe.cli.app import Picture, read_table
from stripe.cli.plots import Heading, Source, heading_of, plot_app, save_plot
from stripe.errors import DataError
from stripe.files import parse_json, read_regular


@plot_app.command(name="ablation")
def plot_ablation(
    table: Source,
    *,
    out: Picture,
    measure: Literal["agreement", "kl", "accuracy"] = "agreement",
) -> None:
    """Draw the effect of every intervention on every gate.

    Parameters
    ----------
    table
        CSV file that stripe ablate --out wrote.
    measure
        Measure in the figure: agreement, kl or accuracy.
    """
    save_plot("ablation", read_table(table, "a file of stripe ablate --out"), out, measure=measure)


@plot_app.command(name="sensitivity")
def plot_sensitivity(table: Source, *, out: Picture) -> None:
    """Draw the estimated cost of freezing each gate.

    Parameters
    ----------
    table
        CSV file that stripe sensitivity --out wrote, without --channels.
    """
    save_plot("sensitivity", read_table(table, "a file of stripe sensitivity --out"), out)


@plot_app.command(name="freezing")
def plot_freezing(audit: Source, *, out: Picture, heading: Heading = None) -> None:
    """Draw agreement and accuracy against the number of frozen gates.

    Parameters
    ----------
    audit
        File with the output of stripe audit --json. If --curve was given, the figure shows every
        number of frozen gates.
    """
    import pandas as pd

    wanted = "give a file with the output of stripe audit --json"
    try:
        content = read_regular(audit)
    except OSError as error:
        raise DataError(f"{audit} cannot be read: {error.strerror}; {wanted}") from error
    try:
        found = parse_json(content)
        curve, threshold = pd.DataFrame(found["greedy"]), found["threshold"]
        numbers = curve.columns.difference(["gate"])
        curve[numbers] = curve[numbers].apply(pd.to_numeric)  # null is NaN
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise DataError(f"{audit} is not the result of an audit ({reason}); {wanted}") from error
    name = heading_of(heading, audit)
    save_plot("freezing", curve, out, threshold=threshold, heading=name)


@plot_app.command(name="tradeoff")
def plot_tradeoff(table: Source, *, out: Picture, heading: Heading = None) -> None:
    """Draw accuracy, speed and size of networks (Figure 3).

    Parameters
    ----------
    table
        CSV file with the columns network, accuracy, images_per_s and parameters.
    """
    found = read_table(table, "one with the columns network, accuracy, images_per_s and parameters")
    save_plot("tradeoff", found, out, heading=heading_of(heading, table))


@plot_app.command(name="noise-robustness")
def plot_noise_robustness(
    table: Source, *tables: Path, out: Picture, heading: Heading = None
) -> None:
    """Draw the accuracy of networks under noise (Table 8).

    Parameters
    ----------
    table
        CSV file with the columns network, noise and accuracy, as written by stripe noise --out.
    tables
        More files that stripe noise --out wrote.
    """
    import pandas as pd

    wanted = "a file of stripe noise --out"
    found = pd.concat([read_table(file, wanted) for file in (table, *tables)])
    save_plot("noise_robustness", found, out, heading=heading_of(heading, table, *tables))


@plot_app.command(name="noise-bound")
def plot_noise_bound(table: Source, *tables: Path, out: Picture, heading: Heading = None) -> None:
    """Draw the bound of Theorem 6.1 and the measured growth, by depth.

    Parameters
    ----------
    table
        CSV file that stripe bound --out wrote. The figure names each network after its file.
    tables
        More files that stripe bound --out wrote.
    """
    wanted = "a file of stripe bound --out"
    from stripe.recording.runs import short_names

    files = list(dict.fromkeys((table, *tables)))
    names = short_names([file.with_suffix("") for file in files])
    found = {name: read_table(file, wanted) for name, file in zip(names, files, strict=True)}
    data = found if tables else found[names[0]]
    save_plot("noise_bound", data, out, heading=heading_of(heading, table, *tables))


@plot_app.command(name="batch-sensitivity")
def plot_batch_sensitivity(table: Source, *, out: Picture) -> None:
    """Draw the spread of an image's output over draws of the rest of its batch, by batch size.

    Parameters
    ----------
    table
        The file by_batch_size.csv of stripe style compare.
    """
    found = read_table(table, "the by_batch_size.csv of stripe style compare")
    save_plot("batch_sensitivity", found, out)
