"""One folder for each accelerator. They import the contract and the native code, never each other."""
