// How many, and where to begin -> JSONL of sums with their partial sums.

/** Sums of three to five numbers. */
export function sumLines(count: number, offset: number): string {
  const lines = Array.from({ length: count }, (_, i) => {
    const numbers = Array.from({ length: 3 + (i % 3) }, (_unused, j) => 1 + ((i * 7 + j * 3 + offset) % 9));
    const steps: string[] = [];
    numbers.reduce((total, n) => {
      steps.push(`${total}+${n}=${total + n}`);
      return total + n;
    });
    const answer = numbers.reduce((a, b) => a + b);
    return JSON.stringify({ id: `${offset}-${i}`, question: numbers.join('+'), answer, solution: steps });
  });
  return `${lines.join('\n')}\n`;
}
