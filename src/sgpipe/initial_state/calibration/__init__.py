"""The same conditions met by measurement, for any neuron."""
