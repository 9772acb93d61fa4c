import { button, pems, shown, tab } from '../flow.mjs'

export const file = 'Alerts and emergency stop'

export default tab('Alerts and emergency stop', `
What is wrong, and a button that gives every device back to its own control.
`, [{
  name: 'Alerts',
  note: 'Put a node for mail or a message to a phone behind the first output',
  nodes: [
    pems('alert', 'warnings and worse', [0, 0], { severity: 'warning' }, ['alert', 'refused message']),
    shown('alert', [1, 0], 'payload', true),
    shown('refused message', [1, 1], 'payload', true)
  ]
}, {
  name: 'Emergency stop',
  nodes: [
    button('stop', [0, 0], { action: 'stop', reason: 'button in Node-RED' }, ['stop everything']),
    button('reset', [0, 1], { action: 'reset' }, ['stop everything']),
    pems('stop', 'stop everything', [1, 0], { action: 'stop', by: 'Node-RED', reason: '' }, ['stopped']),
    shown('stopped', [2, 0], 'payload', true)
  ]
}])
