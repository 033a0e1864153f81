# ---
# title: "Counting: what a run counts"
# description: A miniature example that measures nothing slow.
# claims:
#   - helpers == 4
#   - ratio > 2
# ---

# %% [markdown]
# # Counting
#
# **Motive.** A site needs an example.

# %%
from spritedocs.report import Bars, Measurement, Report, show

# %% [markdown]
# ## Count

# %%
if __name__ == "__main__":
    counted = Measurement.of("helpers", [4], "", "helpers")
    ratio = Measurement.of("ratio", [3.0, 3.1, 2.9, 3.0, 3.1, 3.0], "×", "ratio")
    show(
        Report(
            title="What was counted",
            columns=["what", "how much"],
            rows=[["helpers", counted], ["ratio", ratio]],
            figure=Bars("Two bars, <3 & 4>.", [counted, ratio], [0, 1]),
            notes=["A remark with <angle brackets>."],
        )
    )
