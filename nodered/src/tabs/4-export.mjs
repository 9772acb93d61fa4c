import { button, pems, shown, tab } from '../flow.mjs'

export default tab('Export', `
Feed-in to the grid: what is decided and why, and how a person allows or forbids it for a while.
`, [
  {
    name: 'Feed-in',
    nodes: [
      pems('decision', 'feed-in', [0, 0], { device: 'inverter', control: 'grid_export', mode: 'show' }, ['why']),
      shown('why', [1, 0], 'reason'),
      pems('state', 'fed in now', [0, 1], { device: 'inverter', point: 'export_kw' }, ['power'] ),
      shown('power', [1, 1])
    ]
  },
  {
    name: 'By hand',
    nodes: [
      button('feed in nothing, 1 h', [0, 0], { value: false, for_minutes: 60 }, ['feed-in by hand']),
      button('allow feed-in, 1 h', [0, 1], { value: true, for_minutes: 60 }, ['feed-in by hand']),
      button('end it', [0, 2], { clear: true }, ['feed-in by hand']),
      pems('override', 'feed-in by hand', [1, 1], { device: 'inverter', control: 'grid_export', minutes: 60, by: 'Node-RED', reason: '' }, ['accepted', 'not accepted']),
      shown('accepted', [2, 0], 'payload', true),
      shown('not accepted', [2, 1], 'payload', true)
    ]
  }
])
