package quicproxy

// A Direction says where a datagram goes.
type Direction int

// Directions.
const (
	DirectionIncoming Direction = iota // from the client to the server
	DirectionOutgoing                  // from the server to the client
	DirectionBoth
)

// String returns the name of the direction.
func (d Direction) String() string {
	switch d {
	case DirectionIncoming:
		return "Incoming"
	case DirectionOutgoing:
		return "Outgoing"
	case DirectionBoth:
		return "both"
	}
	return "unknown direction"
}

// Is reports whether the two have a direction in common.
func (d Direction) Is(dir Direction) bool {
	return d == dir || d == DirectionBoth || dir == DirectionBoth
}
