// Fully connected decoders with eight-bit weights: reproduction.reporting.decoders is what this must agree with.
const LEAKY_SLOPE = 0.01;
const ACTIVATIONS = {
  "relu": (x) => (x > 0 ? x : 0),
  "leaky-relu": (x) => (x > 0 ? x : LEAKY_SLOPE * x),
  "tanh": Math.tanh,
  "sigmoid": (x) => 1 / (1 + Math.exp(-x)),
};

function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes.buffer;
}

// The weights' codes travel deflated; afterwards `codes` of every layer is a buffer of int8.
async function inflate(models) {
  for (const layer of models.flatMap((model) => model.layers)) {
    const stream = new Blob([bytesOf(layer.codes)]).stream().pipeThrough(new DecompressionStream("deflate"));
    layer.codes = await new Response(stream).arrayBuffer();
  }
}

class Layer {
  constructor({ rows, columns, codes, scale, bias, activation }) {
    const numbers = new Int8Array(codes);
    const scales = new Float32Array(bytesOf(scale)); // little-endian, as every browser's machine is
    this.rows = rows;
    this.columns = columns;
    this.weight = new Float32Array(numbers.length);
    for (let row = 0, i = 0; row < rows; row++) {
      for (const end = i + columns; i < end; i++) this.weight[i] = numbers[i] * scales[row];
    }
    this.bias = new Float32Array(bytesOf(bias));
    this.activate = ACTIVATIONS[activation];
    this.values = new Float32Array(rows);
  }

  // activation(W x + b), valid until the next call.
  of(x) {
    const { rows, columns, weight, bias, values, activate } = this;
    for (let row = 0, i = 0; row < rows; row++) {
      let a = 0, b = 0, c = 0, d = 0; // four sums, because each addition waits for the one before it
      let k = 0;
      for (; k < columns - 3; k += 4, i += 4) {
        a += weight[i] * x[k];
        b += weight[i + 1] * x[k + 1];
        c += weight[i + 2] * x[k + 2];
        d += weight[i + 3] * x[k + 3];
      }
      for (; k < columns; k++, i++) a += weight[i] * x[k];
      values[row] = activate(a + b + (c + d) + bias[row]);
    }
    return values;
  }
}

class Decoder {
  constructor(model) {
    [this.channels, this.height, this.width] = model.shape;
    this.layers = model.layers.map((layer) => new Layer(layer));
    this.labels = new Float32Array(bytesOf(model.labels)); // one embedding after the other
    this.code = new Float32Array(this.layers[0].columns);
    this.latents = model.latents;
  }

  // Pixels [C H W] in [0, 1] of latents z [D] and, where there are labels, the embedding of one; valid until the next.
  decode(z, label = 0) {
    const size = this.code.length - this.latents;
    this.code.set(z);
    this.code.set(this.labels.subarray(label * size, (label + 1) * size), this.latents);
    return this.layers.reduce((x, layer) => layer.of(x), this.code);
  }

  // The same as an ImageData, grey or coloured.
  image(z, label = 0) {
    const pixels = this.decode(z, label), size = this.width * this.height;
    const picture = new ImageData(this.width, this.height);
    for (let i = 0; i < size; i++) {
      for (let c = 0; c < 3; c++) {
        picture.data[4 * i + c] = Math.round(255 * pixels[(this.channels === 3 ? c * size : 0) + i]);
      }
      picture.data[4 * i + 3] = 255;
    }
    return picture;
  }
}
