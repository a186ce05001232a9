package recovery

// Stats counts packets and bytes of a connection. Bytes received are those of datagrams.
type Stats struct {
	BytesSent, PacketsSent         uint64
	BytesReceived, PacketsReceived uint64
	BytesLost, PacketsLost         uint64
}

// Stats returns the counts so far.
func (t *Tracker) Stats() Stats { return t.stats }
