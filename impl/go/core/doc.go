// Package core is KCOM5 without sockets: addresses, the wire format, error names, and two state machines, which turn
// bytes and events into actions. It does no I/O, reads no clock and allocates nothing by a declared length. Spec:
// "Address", "Wire format", "States", "Results and errors".
package core
