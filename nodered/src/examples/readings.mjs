import { pems, shown, tab } from '../flow.mjs'

export const file = 'Readings and the whole house'

export default tab('Readings', `
What is measured, one point or a whole device, and everything that is known as one object.
`, [{
  name: 'Readings',
  nodes: [
    pems('state', 'state of charge', [0, 0], { device: 'inverter', point: 'soc' }, ['share']),
    pems('state', 'all of the rooms', [0, 1], { device: 'heating', point: '' }, ['points']),
    pems('house', 'everything', [0, 2], {}, ['snapshot', []]),
    shown('share', [1, 0], 'payload', true),
    shown('points', [1, 1]),
    shown('snapshot', [1, 2])
  ]
}])
