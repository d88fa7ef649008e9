"""The Coral Edge TPU over USB, without libedgetpu."""
