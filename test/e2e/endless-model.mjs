// A scripted model for code: every second program never ends.
export default {
  write: ({ random, prefix }) =>
    prefix === '' && random.next() < 0.5 ? '    while True:\n        pass\n' : '    return x + 1\n',
};
