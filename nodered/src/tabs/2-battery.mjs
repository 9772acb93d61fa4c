import { button, pems, shown, tab } from '../flow.mjs'
import { carrying } from '../carrying.mjs'

export default tab('Battery and inverter', `
How the inverter is reached, and how a person sets it by hand.

A command comes from PEMS after its guard has let it pass, goes through **lease** (dead-man) and is carried by **apply**, which
reports back. PEMS reads it back from the inverter itself.
`, [
  ...carrying('inverter', 'the inverter'),
  {
    name: 'By hand',
    note: 'Sent at once; PEMS plans around it and says what it costs',
    nodes: [
      button('store what the sun gives, 1 h', [0, 0], { control: 'mode', value: 'battery_first', for_minutes: 60 }, ['set by hand']),
      button('serve the house first, 1 h', [0, 1], { control: 'mode', value: 'load_first', for_minutes: 60 }, ['set by hand']),
      button('end all of the inverter', [0, 2], { clear: true, control: '' }, ['set by hand']),
      pems('override', 'set by hand', [1, 1], { device: 'inverter', control: '', minutes: 60, by: 'Node-RED', reason: '' }, ['accepted', 'not accepted']),
      shown('accepted', [2, 0], 'payload', true),
      shown('not accepted', [2, 1], 'payload', true)
    ]
  }
])
