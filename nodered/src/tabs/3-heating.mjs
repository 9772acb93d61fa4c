import { button, pems, shown, tab } from '../flow.mjs'
import { carrying } from '../carrying.mjs'

export default tab('Heating', `
How the rooms are reached (a Loxone Miniserver over MQTT, UDP or HTTP, as the house file says), and how a room is set by hand.
`, [
  ...carrying('heating', 'the heating'),
  {
    name: 'By hand',
    note: 'An example for one room; the page Rooms has all of them',
    nodes: [
      button('kitchen at 22 °C, 2 h', [0, 0], { control: 'kitchen_setpoint_c', value: 22, for_minutes: 120 }, ['room by hand']),
      button('end all of the rooms', [0, 1], { clear: true, control: '' }, ['room by hand']),
      pems('override', 'room by hand', [1, 0], { device: 'heating', control: '', minutes: 120, by: 'Node-RED', reason: '' }, ['accepted', 'not accepted']),
      shown('accepted', [2, 0], 'payload', true),
      shown('not accepted', [2, 1], 'payload', true)
    ]
  }
])
