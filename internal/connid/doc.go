// Package connid keeps the connection IDs of one connection (RFC 9000, Section 5.1): those that we
// chose and the peer puts into packets to us (Issued), and those that the peer chose and we put into
// packets to it (Received), with the frames that are owed for them.
//
// Only the connection loop calls it. The package does no routing: methods return which connection
// IDs, or which stateless reset tokens, the Transport has to know from now on or to forget.
//
// What a peer can fill is limited: the IDs in Issued by protocol.MaxIssuedConnectionIDs and
// maxRetired, those in Received by protocol.MaxActiveConnectionIDs, the RETIRE_CONNECTION_ID frames
// owed by protocol.MaxQueuedRetireConnectionIDs, the remembered sequence numbers by maxSparse.
package connid
