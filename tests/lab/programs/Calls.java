import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

/** The JDK's HTTP client: calls a URL after each of the given idle times in seconds. usage: java Calls.java URL SECONDS… */
public class Calls {
    public static void main(String[] words) throws Exception {
        HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        for (int i = 1; i < words.length; i++) {
            Thread.sleep((long) (1000 * Double.parseDouble(words[i])));
            HttpResponse<String> response = client.send(HttpRequest.newBuilder(URI.create(words[0])).build(), HttpResponse.BodyHandlers.ofString());
            System.out.println(response.statusCode());
        }
    }
}
