"""How good forecasts are: traces, scores, surges, and a run of the serving code over the past."""
