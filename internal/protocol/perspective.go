package protocol

// Perspective says which of the two endpoints of a connection this is.
type Perspective int

// The two endpoints of a connection.
const (
	PerspectiveServer Perspective = 1
	PerspectiveClient Perspective = 2
)

// Opposite returns the peer's perspective.
func (p Perspective) Opposite() Perspective {
	if p == PerspectiveServer {
		return PerspectiveClient
	}
	return PerspectiveServer
}

// String returns "client" or "server".
func (p Perspective) String() string {
	switch p {
	case PerspectiveServer:
		return "server"
	case PerspectiveClient:
		return "client"
	}
	return "invalid perspective"
}
