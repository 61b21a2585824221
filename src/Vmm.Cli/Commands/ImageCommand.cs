using System.Text;
using Vmm.Cli.Arguments;
using Vmm.Cli.Terminal;
using Vmm.Machine.Images;

namespace Vmm.Cli.Commands;

/// <summary><c>vmm image</c>: the ready-made systems in the cache.</summary>
internal static class ImageCommand
{
    public static Command Command { get; } = new(
        "image", "list | pull NAME", "Lists ready-made images, or fetches one anew.", [], RunAsync);

    private static async Task<int> RunAsync(ParsedArguments arguments)
    {
        ImageCache cache = ImageCache.OfUser();
        switch (arguments.Words)
        {
            case ["list"]:
                foreach (string name in ImageCache.Names)
                {
                    Print($"{name,-12}{cache.Find(name)?.Origin ?? "(not fetched yet)"}\n");
                }

                return ExitStatus.Success;
            case ["pull", var name] when ImageCache.Names.Contains(name):
                MachineImage image = await cache.GetAsync(name, new ProgressBar(), refresh: true, CancellationToken.None).ConfigureAwait(false);
                Print($"{image.Name,-12}{image.Origin}\n");
                return ExitStatus.Success;
            case ["pull", var name]:
                throw new UsageException($"there is no image '{name}'; there is {string.Join(", ", ImageCache.Names)}.");
            default:
                throw new UsageException("'image' needs one of list, pull NAME.");
        }
    }

    private static void Print(string text) => FileDescriptor.Write(FileDescriptor.StandardOutput, Encoding.UTF8.GetBytes(text));
}
