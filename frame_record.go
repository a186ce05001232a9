package quic

// Kinds of recovery.Record: what a sent packet carried and who is told when it is
// acknowledged or lost. The comment names the fields of the record in use.
const (
	recordPing               uint8 = iota + 1 // nothing to repeat
	recordCrypto                              // Level, Offset, Length
	recordStream                              // StreamID, Offset, Length, Fin
	recordResetStream                         // StreamID
	recordResetStreamAt                       // StreamID, Offset = reliable size
	recordStopSending                         // StreamID
	recordMaxData                             // Value = limit
	recordMaxStreamData                       // StreamID, Value = limit
	recordMaxStreamsBidi                      // Value = limit
	recordMaxStreamsUni                       // Value = limit
	recordDataBlocked                         // Value = limit
	recordStreamDataBlocked                   // StreamID, Value = limit
	recordStreamsBlockedBidi                  // Value = limit
	recordStreamsBlockedUni                   // Value = limit
	recordNewConnectionID                     // Value = sequence number
	recordRetireConnectionID                  // Value = sequence number
	recordNewToken                            // nothing more
	recordHandshakeDone                       // nothing more
	recordPathChallenge                       // never repeated by loss
	recordPathResponse                        // never repeated
	recordDatagram                            // never repeated
	recordAckFrequency                        // Value = sequence number
	recordImmediateAck                        // never repeated
)
