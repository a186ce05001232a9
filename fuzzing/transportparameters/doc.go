// Package transportparameters fuzzes the parser of the quic_transport_parameters extension.
//
// Whatever the bytes are, the parser must end, must report faults with TRANSPORT_PARAMETER_ERROR, must
// hand out only values that the rest of a connection can use without checks, and must read what it wrote.
package transportparameters
