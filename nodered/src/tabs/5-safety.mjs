import { button, pems, shown, tab } from '../flow.mjs'

export default tab('Safety', `
Emergency stop, and what is wrong.

When PEMS falls silent, the **lease** nodes give each device back at the end of its lease; PEMS's own guard process does so sooner.
What a person chooses meanwhile is carried from the catalogue, ends in time, and is handed to PEMS when it is back.
`, [
  {
    name: 'Emergency stop',
    note: 'Gives every device back at once and holds over restarts, until a person resets it',
    nodes: [
      button('stop everything', [0, 0], { action: 'stop', reason: 'button in Node-RED' }, ['emergency stop']),
      button('reset', [0, 1], { action: 'reset' }, ['emergency stop']),
      pems('stop', 'emergency stop', [1, 0], { action: 'stop', by: 'Node-RED', reason: '' }, ['stop and reset']),
      shown('stop and reset', [2, 0], 'payload', true)
    ]
  },
  {
    name: 'What is wrong',
    note: 'Put a node for mail or a message to a phone behind this one',
    nodes: [
      pems('alert', 'alerts', [0, 0], { severity: 'warning' }, ['begins or ends', 'refused message']),
      shown('begins or ends', [1, 0], 'payload', true),
      shown('refused message', [1, 1], 'payload', true)
    ]
  }
])
