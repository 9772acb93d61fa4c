"""Forecasts that are learned from a house's own history: functions of tables, without input or output.

`train` of each module makes a model of what was measured before a day; the model is plain data and predicts quantiles.
"""
