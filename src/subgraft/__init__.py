"""Run .tflite models on accelerators, with the CPU behind them."""
