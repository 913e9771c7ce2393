"""Forecasters that the LSTM has to beat, all under one interface; and their features."""
