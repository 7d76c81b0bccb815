"""What is learned: targets, the calibrated propensity model, reasons, metrics, the registry."""
